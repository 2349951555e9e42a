import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HandshakeGate } from '../../../../src/platform/tls/handshake-gate.ts';

/** As much of a socket as the gate uses. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  destroyed = false;
  head: Buffer | undefined;
  #incoming: Buffer | null = null;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  receive(bytes: Buffer): void {
    this.#incoming = bytes;
    this.emit('readable');
  }

  read(): Buffer | null {
    const bytes = this.#incoming;
    this.#incoming = null;
    return bytes;
  }

  unshift(bytes: Buffer): void {
    this.head = bytes;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

/** A record of 100 bytes. */
const HELLO = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 100]), Buffer.alloc(100, 7)]);

function rig() {
  const begun: FakeSocket[] = [];
  const dropped: [FakeSocket, string][] = [];
  const gate = new HandshakeGate({
    begin: (socket) => void begun.push(socket as unknown as FakeSocket),
    onDropped: (socket, reason) => void dropped.push([socket as unknown as FakeSocket, reason]),
  });
  const connect = (address: string): FakeSocket => {
    const socket = new FakeSocket(address);
    gate.accept(socket as unknown as Socket);
    return socket;
  };
  const over = (socket: FakeSocket): void => gate.over(socket as unknown as Socket);
  return { gate, begun, dropped, connect, over };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await turn();
};

describe('HandshakeGate', () => {
  it('waits for the whole first record, and gives it back', async () => {
    const { begun, connect } = rig();
    const socket = connect('a');
    for (const byte of HELLO.subarray(0, -1)) socket.receive(Buffer.from([byte]));
    await turns(3);
    expect(begun).toEqual([]);
    socket.receive(HELLO.subarray(-1));
    await turns(3);
    expect(begun).toEqual([socket]);
    expect(socket.head?.equals(HELLO)).toBe(true);
  });

  it('does not wait for more of what is no handshake, or of one that cannot be', async () => {
    const { begun, connect } = rig();
    const [http, huge] = [connect('a'), connect('b')];
    http.receive(Buffer.from('G'));
    huge.receive(Buffer.from([0x16, 3, 1, 0xff, 0xff]));
    await turns(3);
    expect(begun).toEqual([http, huge]);
  });

  it('lets addresses take turns', async () => {
    const { begun, connect, over } = rig();
    const many = Array.from({ length: 600 }, () => connect('many'));
    for (const socket of many) socket.receive(HELLO);
    const one = connect('one');
    one.receive(HELLO);
    await turns(500);
    expect(begun.length).toBeLessThanOrEqual(256);
    expect(begun.indexOf(one)).toBeGreaterThanOrEqual(0);
    expect(begun.indexOf(one)).toBeLessThan(3);
    for (const socket of begun.slice()) over(socket);
    await turns(500);
    expect(begun.length).toBeGreaterThan(256);
  });

  it('drops the oldest of the address with the most when too many wait', async () => {
    const { begun, dropped, connect } = rig();
    const one = connect('one');
    const many = Array.from({ length: 2100 }, () => connect('many'));
    one.receive(HELLO);
    for (const socket of many) socket.receive(HELLO);
    expect(dropped.length).toBe(2101 - 2048);
    expect(dropped.every(([socket, reason]) => socket !== one && reason === 'too many handshakes')).toBe(true);
    expect(dropped[0]?.[0]).toBe(many[0]);
    await turns(5);
    expect(begun).toContain(one);
  });

  it('drops the oldest that says nothing when there are too many of them', () => {
    const { gate, dropped, connect } = rig();
    const silent = Array.from({ length: 5000 }, () => connect('a'));
    expect(gate.size).toBe(4096);
    expect(dropped.length).toBe(5000 - 4096);
    expect(dropped[0]?.[0]).toBe(silent[0]);
    expect(silent[0]?.destroyed).toBe(true);
  });

  it('forgets connections that break, before and after their turn', async () => {
    const { gate, dropped, connect } = rig();
    const [early, late] = [connect('a'), connect('b')];
    early.emit('error', new Error('read ECONNRESET'));
    expect(dropped.map(([, reason]) => reason)).toEqual(['read ECONNRESET']);
    late.receive(HELLO);
    late.destroyed = true;
    await turns(3);
    expect(gate.size).toBe(0);
  });
});
