/** Clients that send nearly right and quite wrong frames must not harm the server or its other clients. */

import { randomInt } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { H2Transport } from '../../../src/rpc/h2/h2-transport.ts';
import { EchoClient } from './echo-client.ts';
import { startEchoServer } from './echo-server.ts';
import {
  F,
  FrameClient,
  PREFACE,
  T,
  block,
  data,
  field,
  frame,
  headers,
  message,
  settings,
  uint32,
} from './frame-client.ts';

/** FUZZ_SEED repeats a run; FUZZ_ROUNDS makes it longer. */
const SEED = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31));
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 400);

const METHODS = ['Now', 'Later', 'Chat', 'Hold', 'Paused', 'Count', 'Fail', 'Bug', 'Nope', 'BadStream', 'Stall'];

class Fuzzer {
  readonly #random: SeededRandom;
  #nextStream = 1;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** What one connection sends. */
  session(): Buffer[] {
    this.#nextStream = 1;
    const out = [this.#chance(20) ? this.#bytes(24) : PREFACE];
    if (!this.#chance(20)) out.push(settings());
    for (let i = this.#below(40); i > 0; i--) {
      const next = this.#frame();
      out.push(this.#chance(8) ? this.#mutate(next) : next);
    }
    return out;
  }

  #frame(): Buffer {
    const id = this.#streamId();
    const flags = this.#chance(6) ? this.#below(256) : this.#below(2) * F.EndStream;
    switch (this.#below(12)) {
      case 0:
      case 1:
      case 2:
        return headers(this.#opened(), this.#block(), F.EndHeaders | flags);
      case 3:
      case 4:
      case 5:
        return data(id, this.#chance(4) ? this.#bytes(this.#below(50)) : message(this.#bytes(this.#below(200))), flags);
      case 6:
        return settings([this.#below(8), this.#chance(2) ? this.#below(70_000) : this.#below(2 ** 32)]);
      case 7:
        return frame(
          T.WindowUpdate,
          0,
          this.#chance(3) ? 0 : id,
          uint32(this.#below(this.#chance(4) ? 2 ** 32 : 100_000)),
        );
      case 8:
        return frame(T.RstStream, 0, id, uint32(this.#below(14)));
      case 9:
        return frame(T.Ping, this.#below(2), 0, this.#bytes(8));
      case 10:
        return frame(T.Continuation, F.EndHeaders * this.#below(2), id, this.#block());
      default:
        return frame(this.#below(16), this.#below(256), id, this.#bytes(this.#below(40)));
    }
  }

  #opened(): number {
    const id = this.#nextStream;
    this.#nextStream += 2;
    return id;
  }

  #streamId(): number {
    return this.#chance(20) ? this.#below(2 ** 31) : Math.max(1, this.#nextStream - 2 * (1 + this.#below(3)));
  }

  #block(): Buffer {
    const changes: Record<string, string> = {};
    if (this.#chance(5)) changes['grpc-timeout'] = `${this.#below(100)}${'HMSmunx'.charAt(this.#below(7))}`;
    if (this.#chance(8)) changes['grpc-encoding'] = this.#chance(2) ? 'gzip' : 'x';
    if (this.#chance(10)) changes[':method'] = 'GET';
    if (this.#chance(10)) changes['content-type'] = 'text/plain';
    const whole = block(`/t.Echo/${METHODS[this.#below(METHODS.length)] ?? ''}`, changes);
    if (this.#chance(6))
      return Buffer.concat([whole, Buffer.from([0x40]), field('x', this.#bytes(9).toString('hex')).subarray(1)]);
    return this.#chance(10) ? this.#mutate(whole) : whole;
  }

  #mutate(bytes: Buffer): Buffer {
    const out = Buffer.from(bytes);
    for (let i = this.#below(4); i >= 0; i--) if (out.length > 0) out[this.#below(out.length)] = this.#below(256);
    return this.#chance(4) ? out.subarray(0, this.#below(out.length + 1)) : out;
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#below(256)));
  }

  #below(bound: number): number {
    return this.#random.below(bound);
  }

  #chance(oneIn: number): boolean {
    return this.#random.below(oneIn) === 0;
  }
}

it(`survives ${ROUNDS} fuzzed connections (FUZZ_SEED=${SEED})`, { timeout: 60_000 + ROUNDS * 50 }, async () => {
  const server = await startEchoServer((options) => new H2Transport(options));
  const good = new EchoClient(server.port);
  const random = new SeededRandom(SEED);
  const fuzzer = new Fuzzer(random);
  for (let round = 0; round < ROUNDS; round++) {
    const client = await FrameClient.connect(server.port, Buffer.alloc(0));
    for (const bytes of fuzzer.session()) {
      client.send(bytes);
      if (random.below(5) === 0) await new Promise(setImmediate);
    }
    const answer = await good.unary('Now', Buffer.from(String(round)), { timeoutMs: 2000 });
    expect({ round, answer: String(answer.messages[0]) }).toEqual({ round, answer: String(round) });
    if (random.below(2) === 0) client.socket.destroy();
    else client.socket.end();
  }
  await vi.waitFor(() => expect(server.transport.connections).toBe(1), { timeout: 5000 });
  expect(server.dispatcher.openStreams).toBe(0);
  expect(server.logged.filter(({ message: text }) => text === 'gRPC connection failed')).toEqual([]);
  good.close();
  await server.stop(100);
});
