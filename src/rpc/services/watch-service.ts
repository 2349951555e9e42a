/** etcdserverpb.Watch: connects a stream of the transport with one of the watch hub. */
import { decodeWatchRequest } from '../../gen/rpc.ts';
import { WatchService } from '../../gen/services.ts';
import type { WatchHub } from '../../watch/watch-hub.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall } from '../transport.ts';
import { statusOf } from '../status.ts';

export function registerWatch(registry: ServiceRegistry, hub: WatchHub): void {
  registry.bidi(WatchService.methods.Watch.path, (call) => serveWatch(call, hub));
}

function serveWatch(call: StreamCall, hub: WatchHub): void {
  const stream = hub.openStream({
    send: (bytes) => call.send(bytes),
    get backlogBytes() {
      return call.backlogBytes;
    },
  });
  call.onMessage((bytes) => {
    try {
      stream.request(decodeWatchRequest(bytes));
    } catch (error) {
      stream.close();
      call.fail(statusOf(error));
      return;
    }
    // Their answers take memory too: a client that does not read gets no more of its requests read.
    if (stream.full) call.pauseReading();
  });
  call.onDrain(() => {
    stream.drained();
    if (!stream.full) call.resumeReading();
  });
  // A client that has said all it wants to say goes on watching.
  call.onHalfClose(() => {});
  call.ctx.onCancel(() => stream.close());
}
