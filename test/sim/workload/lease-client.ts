/** Leases as clients use them, each answer held to what the log and the time make of it. */
import { toBinaryString } from '../../../src/base/bytes.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import {
  decodeLeaseGrantResponse,
  decodeLeaseKeepAliveResponse,
  decodeLeaseLeasesResponse,
  decodeLeaseRevokeResponse,
  decodeLeaseTimeToLiveResponse,
  encodeLeaseGrantRequest,
  encodeLeaseKeepAliveRequest,
  encodeLeaseRevokeRequest,
  encodeLeaseTimeToLiveRequest,
  type LeaseGrantResponse,
  type LeaseKeepAliveResponse,
} from '../../../src/gen/rpc.ts';
import { LeaseService } from '../../../src/gen/services.ts';
import type { ReferenceLease } from '../model/reference-member.ts';
import { require } from '../world/violation.ts';
import type { Called, Caller, Window } from './caller.ts';

const { LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive, LeaseLeases } = LeaseService.methods;
const NOT_FOUND = etcdError('LeaseNotFound').message;
const EXISTS = etcdError('LeaseExist').message;
const SECOND_MS = 1000;
/** A client gives up on an answer to a keep-alive after this. */
const KEEP_ALIVE_PATIENCE_MS = 12_000;

/** Which lease a slot stands for; shared by all clients. */
export type Slots = Map<number, bigint>;

export class LeaseClient {
  readonly #caller: Caller;
  readonly #slots: Slots;

  constructor(caller: Caller, slots: Slots) {
    this.#caller = caller;
    this.#slots = slots;
  }

  /** `id` 0n: the server picks one. */
  async grant(slot: number, ttl: number, id: bigint): Promise<LeaseGrantResponse | undefined> {
    const { world, name } = this.#caller;
    world.leases.grantAsked(id, ttl);
    if (id !== 0n) this.#slots.set(slot, id);
    const { outcome, window } = await this.#caller.call(LeaseGrant.path, encodeLeaseGrantRequest({ ID: id, TTL: ttl }));
    if (outcome.kind === 'reply') {
      const response = decodeLeaseGrantResponse(outcome.bytes);
      world.observe(response.header);
      world.line(`${name} is granted lease ${response.ID} of ${response.TTL} s`);
      this.#slots.set(slot, response.ID);
      const lease = this.#during(response.ID, window).find(({ from }) => from > window.invokedIndex);
      require(lease?.ttlSeconds === response.TTL, 'wrong answer', () => `lease ${response.ID} granted, not in the log`);
      return response;
    }
    if (outcome.kind !== 'error' || this.#caller.isTemporary(outcome.error)) return undefined;
    const { message } = outcome.error;
    const isRight = message === EXISTS && this.#during(id, window).length > 0;
    require(isRight, 'wrong answer', () => `grant of lease ${id} got "${message}"`);
    return undefined;
  }

  async revoke(slot: number): Promise<void> {
    const { world, name } = this.#caller;
    const id = this.#slots.get(slot) ?? 77n;
    world.leases.revokeAsked(id);
    const { outcome, window } = await this.#caller.call(LeaseRevoke.path, encodeLeaseRevokeRequest({ ID: id }));
    world.line(`${name} has revoked lease ${id}: ${outcome.kind === 'error' ? outcome.error.message : outcome.kind}`);
    if (outcome.kind === 'reply') {
      world.observe(decodeLeaseRevokeResponse(outcome.bytes).header);
      const isOver = (world.log.reference.leases.get(id) ?? []).some(({ to }) => within(to, window));
      require(isOver, 'wrong answer', () => `lease ${id} revoked, but not in the log`);
    }
    if (outcome.kind !== 'error' || this.#caller.isTemporary(outcome.error)) return;
    const { message } = outcome.error;
    require(message === NOT_FOUND && this.#mayBeGone(id, window), 'wrong answer', () => {
      return `revoke of lease ${id} got "${message}"`;
    });
  }

  /** Over a stream of its own. Returns for how many seconds; 0: it is gone; undefined: nobody knows. */
  async keepAlive(slot: number): Promise<number | undefined> {
    const { world, name } = this.#caller;
    const id = this.#slots.get(slot) ?? 77n;
    const { reference } = world.log;
    const window = this.#caller.window();
    const answer = await this.#askToKeep(id);
    if (answer === undefined) return undefined;
    world.observe(answer.header);
    world.line(`${name} keeps lease ${id} alive: ${answer.TTL}`);
    this.#judgeKept(id, answer, { ...window, answeredIndex: reference.index });
    return answer.TTL;
  }

  async timeToLive(slot: number): Promise<void> {
    const { world } = this.#caller;
    const id = this.#slots.get(slot) ?? 77n;
    const request = encodeLeaseTimeToLiveRequest({ ID: id, keys: true });
    // Of what others renew while it is under way, the answer may know nothing.
    const known = world.log.reference.leases.get(id) ?? [];
    const notBeforeMs = new Map(known.map((lease) => [lease, world.leases.notBeforeMs(lease)]));
    const { outcome, window } = await this.#caller.call(LeaseTimeToLive.path, request);
    if (outcome.kind !== 'reply') return this.#judgeFailed('time to live', outcome);
    const response = decodeLeaseTimeToLiveResponse(outcome.bytes);
    world.observe(response.header);
    if (response.TTL === -1 && response.grantedTTL === 0) {
      require(this.#mayBeGone(id, window), 'wrong answer', () => `lease ${id} is said to be gone`);
      return;
    }
    const [lease] = this.#during(id, window);
    require(lease?.ttlSeconds === response.grantedTTL, 'wrong answer', () => `lease ${id} of ${response.grantedTTL} s`);
    const isInTime = response.TTL <= response.grantedTTL + world.plan.knobs.electionMs / SECOND_MS;
    const leastMs = (notBeforeMs.get(lease) ?? 0) - world.nowMs;
    require(isInTime && (response.TTL + 1) * SECOND_MS > leastMs, 'lease too early', () => {
      return `lease ${id} has ${response.TTL} s to go, should have ${leastMs.toFixed(0)} ms`;
    });
    this.#judgeKeys(id, response.keys.map(toBinaryString).join(), response.header?.revision ?? 0, window);
  }

  async leases(): Promise<void> {
    const { world } = this.#caller;
    const { outcome, window } = await this.#caller.call(LeaseLeases.path, new Uint8Array(0));
    if (outcome.kind !== 'reply') return this.#judgeFailed('leases', outcome);
    const response = decodeLeaseLeasesResponse(outcome.bytes);
    world.observe(response.header);
    const listed = new Set(response.leases.map(({ ID }) => ID));
    const { reference } = world.log;
    if (this.#caller.isCluster) {
      for (const id of listed) require(reference.leases.has(id), 'wrong answer', () => `lease ${id} is listed`);
      return;
    }
    for (const id of listed) {
      require(this.#during(id, window).length > 0, 'wrong answer', () => `lease ${id} is listed`);
    }
    for (const { id, from, to } of reference.leasesAt(window.arrivedIndex)) {
      const throughout = from <= window.arrivedIndex && to > window.answeredIndex;
      require(listed.has(id) || !throughout, 'wrong answer', () => `lease ${id} is not listed`);
    }
  }

  /** The header tells where the member stood that was asked; the leader, which may have answered in its place, was further. */
  #judgeKeys(id: bigint, keys: string, headerRev: number, { answeredIndex }: Window): void {
    const { reference } = this.#caller.world.log;
    const latest = this.#caller.isCluster ? reference.revisionAt(answeredIndex) : headerRev;
    const possible = new Set<string>();
    for (let revision = headerRev; revision <= latest; revision++) {
      possible.add(reference.store.keysOf(id, revision).join());
    }
    require(possible.has(keys), 'wrong answer', () =>
      `lease ${id} has keys ${keys}, should have ${[...possible].join('; ')}`);
  }

  /** undefined when the connection broke, or nobody listens. */
  #askToKeep(id: bigint): Promise<LeaseKeepAliveResponse | undefined> {
    const { world, name } = this.#caller;
    return new Promise((resolve) => {
      const stream = world.network.openStream(this.#caller.node, LeaseKeepAlive.path, {
        message: (bytes) => {
          resolve(decodeLeaseKeepAliveResponse(bytes));
          stream?.cancel();
        },
        ended: (error) => {
          if (error !== undefined) this.#caller.isTemporary(error);
          resolve(undefined);
        },
        broken: () => resolve(undefined),
      });
      if (stream === undefined) return resolve(undefined);
      stream.send(encodeLeaseKeepAliveRequest({ ID: id }));
      world.scheduler.after(KEEP_ALIVE_PATIENCE_MS, `${name} gives up`, () => {
        stream.cancel();
        resolve(undefined);
      });
    });
  }

  #judgeKept(id: bigint, { ID, TTL }: LeaseKeepAliveResponse, window: Window): void {
    const { world } = this.#caller;
    require(ID === id, 'wrong answer', () => `kept lease ${ID}, not ${id}`);
    if (TTL === 0) {
      const isGone = this.#mayBeGone(id, window);
      require(isGone, 'wrong answer', () => `lease ${id} is there, and was not kept`);
      if (this.#during(id, window).length > 0) world.marks.hit('keepAliveTooLate');
      return;
    }
    const kept = this.#during(id, window).find(({ ttlSeconds }) => ttlSeconds === TTL);
    require(kept !== undefined, 'wrong answer', () => `lease ${id} kept for ${TTL} s`);
    world.marks.hit('keptAlive');
    world.leases.renewed(kept, window.invokedMs);
  }

  #judgeFailed(what: string, outcome: Called['outcome']): void {
    if (outcome.kind !== 'error') return;
    const { error } = outcome;
    require(this.#caller.isTemporary(error), 'wrong answer', () => `${what} got "${error.message}"`);
  }

  /** Leases of that id that lived at some time in the window. */
  #during(id: bigint, { invokedIndex, answeredIndex }: Window): ReferenceLease[] {
    const all = this.#caller.world.log.reference.leases.get(id) ?? [];
    return all.filter(({ from, to }) => from <= answeredIndex && to > invokedIndex);
  }

  /** Whether there was a time in the window when no lease of that id lived. */
  #mayBeGone(id: bigint, { invokedIndex, answeredIndex }: Window): boolean {
    const all = this.#caller.world.log.reference.leases.get(id) ?? [];
    return !all.some(({ from, to }) => from <= invokedIndex && to > answeredIndex);
  }
}

function within(index: number, { invokedIndex, answeredIndex }: Window): boolean {
  return index > invokedIndex && index <= answeredIndex;
}
