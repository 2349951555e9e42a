/** Compares bytes that a real etcd put on a stream with what our encoders make of the same messages. */
import { expect } from 'vitest';
import { MessageType, decodeEntry, decodeMessage, encodeEntry, encodeMessage } from '../../../src/gen/raftpb.ts';
import { FrameBuffer } from '../../../src/peer/codec/frame-buffer.ts';
import { MessageDecoder, MessageEncoder } from '../../../src/peer/codec/message-codec.ts';
import { etcdIsOlder } from '../../support/real-etcd.ts';
import { MsgAppDecoder, MsgAppEncoder } from '../../../src/peer/codec/msgapp-codec.ts';

/** etcd up to 3.5 does not know Message.vote, which 3.6 and we write always: this is all that differs. */
const noVote = (): Buffer => (etcdIsOlder() ? Buffer.of(0x68, 0x00) : Buffer.alloc(0));

/** One frame of a msgapp stream, split the slow way. */
interface Frame {
  readonly type: number;
  /** Entries, or one message. */
  readonly parts: readonly Buffer[];
  readonly commit: bigint | undefined;
}

/** Returns how many frames there were, without heartbeats. */
export function expectMsgAppStream(bytes: Buffer, from: bigint, to: bigint): number {
  const theirs = splitMsgApp(bytes).filter(({ type }) => type !== 0);
  const encoder = new MsgAppEncoder();
  const out = new FrameBuffer(bytes.length);
  for (const message of new MsgAppDecoder(from, to).decode(bytes)) encoder.encode(message, out);
  const ours = splitMsgApp(Buffer.from(out.finish()));
  expect(ours.length).toBe(theirs.length);
  expect(new Set(ours.map(({ type }) => type))).toEqual(new Set([1, 2]));
  for (const [i, frame] of ours.entries()) {
    const { type, parts, commit } = theirs[i] as Frame;
    expect(frame.type).toBe(type);
    expect(frame.commit).toBe(commit);
    if (type === 1) expect(frame.parts.map(hex)).toEqual(parts.map(hex));
    else expect(frame.parts.map(hex)).toEqual(parts.map((part) => hex(Buffer.concat([part, noVote()]))));
    for (const part of type === 1 ? parts : []) expect(hex(encodeEntry(decodeEntry(part)))).toBe(hex(part));
  }
  return ours.length;
}

/** Returns how many messages there were, without link heartbeats. */
export function expectMessageStream(bytes: Buffer): number {
  const theirs = splitMessages(bytes);
  const encoder = new MessageEncoder();
  const linkHeartbeat = new FrameBuffer(0);
  encoder.encodeHeartbeat(linkHeartbeat);
  let count = 0;
  for (const part of theirs) {
    const message = decodeMessage(part);
    expect(hex(encodeMessage(message))).toBe(hex(Buffer.concat([part, noVote()])));
    const isLinkHeartbeat = message.type === MessageType.MsgHeartbeat && message.to === 0n;
    if (!isLinkHeartbeat) count++;
  }
  expect(new MessageDecoder().decode(bytes).length).toBe(count);
  return count;
}

function splitMsgApp(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  const number = (): bigint => bytes.readBigUInt64BE((at += 8) - 8);
  const sized = (): Buffer => {
    const size = Number(number());
    return bytes.subarray(at, (at += size));
  };
  while (at < bytes.length) {
    const type = bytes[at++] as number;
    const parts: Buffer[] = [];
    if (type === 2) parts.push(sized());
    if (type === 1) for (let left = number(); left > 0n; left--) parts.push(sized());
    frames.push({ type, parts, commit: type === 1 ? number() : undefined });
  }
  return frames;
}

function splitMessages(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 8 + Number(bytes.readBigUInt64BE(at));
    parts.push(bytes.subarray(at + 8, end));
    at = end;
  }
  return parts;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
