/** grpc.health.v1.Health: the server as a whole, under the empty service name. */
import { Code, EtcdError } from '../../base/etcd-error.ts';
import {
  decodeHealthCheckRequest,
  encodeHealthCheckResponse,
  encodeHealthListResponse,
  ServingStatus,
} from '../../gen/health.ts';
import { HealthService } from '../../gen/services.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import type { StreamCall } from '../transport.ts';

export class HealthStatus {
  #serving = true;
  readonly #watchers = new Set<StreamCall>();

  get #status(): { readonly status: number } {
    return { status: this.#serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING };
  }

  get #encoded(): Uint8Array {
    return encodeHealthCheckResponse(this.#status);
  }

  /** NOT_SERVING from the moment the server begins to stop, and during what it is told to make room for. */
  setServing(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    for (const call of this.#watchers) call.send(this.#encoded);
  }

  register(registry: ServiceRegistry): void {
    const { Check, Watch, List } = HealthService.methods;
    const served = { isServedByLearner: () => true };
    registry.unary(
      Check.path,
      (_ctx, bytes) => {
        if (decodeHealthCheckRequest(bytes).service !== '') throw new EtcdError(Code.NotFound, 'unknown service');
        return this.#encoded;
      },
      served,
    );
    registry.unary(
      List.path,
      () => encodeHealthListResponse({ statuses: [{ service: '', status: this.#status }] }),
      served,
    );
    registry.serverStream(
      Watch.path,
      (call, bytes) => this.#watch(call, decodeHealthCheckRequest(bytes).service),
      served,
    );
  }

  /** The status now and at each change; of a service that is not known, that it is not. */
  #watch(call: StreamCall, service: string): void {
    if (service !== '') {
      call.send(encodeHealthCheckResponse({ status: ServingStatus.SERVICE_UNKNOWN }));
      return;
    }
    this.#watchers.add(call);
    call.ctx.onCancel(() => this.#watchers.delete(call));
    call.send(this.#encoded);
  }
}
