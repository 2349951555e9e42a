import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Compare, RequestOp, ResponseOp } from '../../support/api-messages.ts';
import { type CallOptions, RawClient, RpcError } from '../../support/raw-client.ts';
import type { FaultCluster, Member } from '../cluster.ts';
import {
  type Answer,
  type Change,
  entryOf,
  type Guard,
  type History,
  type Operation,
  type RangeQuestion,
  type Request,
} from '../history.ts';

/** After this a client gives up on an answer. */
const PATIENCE_MS = 2500;
const AFTER_FAILURE_MS = 60;

/** A client of the cluster: it talks to one member for as long as that one answers, and then mostly to another one. */
export class Session {
  readonly name: string;
  readonly random: SeededRandom;
  readonly history: History;
  readonly #cluster: FaultCluster;
  readonly #clients = new Map<string, RawClient>();
  #member: Member;
  #stopped = false;

  constructor(name: string, cluster: FaultCluster, history: History, number: number, seed: number) {
    this.name = name;
    this.history = history;
    this.random = new SeededRandom(seed);
    this.#cluster = cluster;
    this.#member = cluster.members[number % cluster.members.length] as Member;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get member(): Member {
    return this.#member;
  }

  get client(): RawClient {
    const { name, address } = this.#member;
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = new RawClient(address.endpoint);
      this.#clients.set(name, client);
    }
    return client;
  }

  /** Makes no more calls; those under way end by themselves. */
  stop(): void {
    this.#stopped = true;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** Runs `step` again and again until it is told to stop. Calls that fail are a matter of course. */
  async loop(step: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await step();
        await sleep(this.random.below(12));
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        await this.failed();
      }
    }
  }

  /** Something went wrong with this member. */
  async failed(): Promise<void> {
    const { members } = this.#cluster;
    const present = members.includes(this.#member);
    if (!present || this.random.below(3) > 0) this.#member = members[this.random.below(members.length)] as Member;
    await sleep(AFTER_FAILURE_MS);
  }

  change(change: Change): Promise<Answer> {
    return this.#record({ kind: 'change', change }, async (client, options) => {
      if (change.kind === 'put') {
        const { header } = await client.put(putRequest(change), options);
        return { revision: Number(header.revision) };
      }
      const { header, deleted } = await client.deleteRange({ key: change.key }, options);
      return { revision: Number(header.revision), deleted: Number(deleted) };
    });
  }

  /** As Kubernetes changes its objects. */
  guarded(guard: Guard, change: Change): Promise<Answer> {
    return this.#record({ kind: 'guarded', guard, change }, async (client, options) => {
      const { header, succeeded, responses } = await client.txn(
        {
          compare: [comparison(guard)],
          success: [changeOp(change)],
          failure: [{ request_range: { key: change.key } }],
        },
        options,
      );
      const revision = Number(header.revision);
      return succeeded ? { revision, succeeded } : { revision, succeeded, ...found(responses[0]) };
    });
  }

  range(question: RangeQuestion): Promise<Answer> {
    return this.#record({ kind: 'range', ...question }, async (client, options) => {
      const { key, end, limit = 0, revision = 0, serializable = false } = question;
      const request = { key, limit, revision, serializable, ...(end === undefined ? {} : { range_end: end }) };
      const { header, kvs, count, more } = await client.range(request, options);
      return { revision: Number(header.revision), entries: kvs.map(entryOf), count: Number(count), more };
    });
  }

  revoke(lease: bigint): Promise<Answer> {
    return this.#record({ kind: 'revoke', lease }, async (client, options) => {
      const { header } = await client.leaseRevoke(lease, options);
      return { revision: Number(header.revision) };
    });
  }

  /** Everything before the revision is to be forgotten. `physical`: the answer waits until it is, on the member that is asked. */
  async compact(revision: number, physical: boolean): Promise<void> {
    const compaction = { revision, callMs: performance.now(), returnMs: Infinity };
    this.history.compactions.push(compaction);
    await this.client.compact({ revision, physical }, { timeoutMs: PATIENCE_MS });
    compaction.returnMs = performance.now();
  }

  async #record(request: Request, call: (client: RawClient, options: CallOptions) => Promise<Answer>): Promise<Answer> {
    const operation = this.history.begin(this.name, this.#member.name, request);
    try {
      const answer = await call(this.client, { timeoutMs: PATIENCE_MS });
      this.history.end(operation, answer);
      return answer;
    } catch (error) {
      noteError(operation, error);
      throw error;
    }
  }
}

function noteError(operation: Operation, error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
  operation.error = `${error.code} ${error.message}`;
  // Never sent. Everything else may have been carried out for all that anybody knows.
  operation.refused = error.message.startsWith('No connection established') || error.message.includes('ECONNREFUSED');
  if (operation.refused) operation.returnMs = performance.now();
}

function putRequest({ key, value, lease }: Extract<Change, { kind: 'put' }>): {
  key: string;
  value: string;
  lease?: bigint;
} {
  return lease === undefined ? { key, value } : { key, value, lease };
}

function changeOp(change: Change): RequestOp {
  return change.kind === 'put' ? { request_put: putRequest(change) } : { request_delete_range: { key: change.key } };
}

function comparison({ key, target, equals }: Guard): Compare {
  return target === 'mod'
    ? { key, target: 'MOD', result: 'EQUAL', mod_revision: equals }
    : { key, target: 'CREATE', result: 'EQUAL', create_revision: equals };
}

function found(response: ResponseOp | undefined): Pick<Answer, 'entries'> {
  return { entries: response?.response_range?.kvs.map(entryOf) ?? [] };
}
