/** Requests to other members' peer ports (etcd-behaviour §5.4). */
import { utf8Encode } from '../base/utf8.ts';
import { EMPTY } from '../base/bytes.ts';
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import { decodeLeaseInternalResponse, encodeLeaseInternalRequest } from '../gen/leasepb.ts';
import {
  decodeLeaseKeepAliveResponse,
  encodeLeaseKeepAliveRequest,
  type HashKVResponse,
  type LeaseTimeToLiveRequest,
  type LeaseTimeToLiveResponse,
} from '../gen/rpc.ts';
import type { Member } from '../membership/member.ts';
import type { Clock } from '../ports/clock.ts';
import { PeerCallError, type PeerCalls, type PeerMembers, type PeerVersions } from '../server/peer-transport.ts';
import { Connections, Dialer, type Answer } from './dialer.ts';
import { APPLY_TIMEOUT, LEASE_NOT_FOUND, LEARNER_NOT_READY, MEMBER_NOT_FOUND, NOT_A_LEARNER } from './error-texts.ts';
import { headerText, hexId, parseHexId } from './headers.ts';
import { parseHashKv, parseMembers, parseVersions } from './member-json.ts';
import type { NameLookup } from './name-lookup.ts';
import { parsePeerAddress, type PeerAddress } from './peer-address.ts';
import type { PeerTls } from './peer-tls.ts';
import { DEFAULT_TIMING } from './timing.ts';

export interface PeerCallsOptions {
  readonly clock: Clock;
  /** undefined while this member does not know its cluster: members then answer as they would to anybody. */
  readonly clusterId?: bigint | undefined;
  readonly tls?: PeerTls | undefined;
  readonly names?: NameLookup | undefined;
  readonly dialMs?: number | undefined;
  /** For an answer that needs no more than a look. */
  readonly answerMs?: number | undefined;
  /** For a hash over the whole store, or a change that has to be committed. */
  readonly longAnswerMs?: number | undefined;
}

const CONNECTIONS_PER_MEMBER_MAX = 8;

/** What a call asks of one member. */
interface Call<T> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
  readonly answerMs?: number;
  /** Makes sense of an answer. An EtcdError it throws is the outcome; after another error the next URL is tried. */
  readonly read: (answer: Answer) => T;
}

export class HttpPeerCalls implements PeerCalls {
  readonly #options: PeerCallsOptions;
  readonly #dialer: Dialer;
  readonly #connections = new Connections(CONNECTIONS_PER_MEMBER_MAX);
  readonly #answerMs: number;
  readonly #longAnswerMs: number;

  constructor(options: PeerCallsOptions) {
    this.#options = options;
    const { clock, tls, names, dialMs = DEFAULT_TIMING.dialMs } = options;
    this.#dialer = new Dialer({ clock, tls, names, timing: { ...DEFAULT_TIMING, dialMs } });
    this.#answerMs = options.answerMs ?? DEFAULT_TIMING.answerMs;
    this.#longAnswerMs = options.longAnswerMs ?? 60_000;
  }

  members(urls: readonly string[]): Promise<PeerMembers> {
    return this.#call(urls, {
      method: 'GET',
      path: '/members',
      read: (answer) => {
        const clusterId = parseHexId(headerText(answer.headers['x-etcd-cluster-id']) ?? '');
        if (clusterId === undefined) throw new Error('the answer names no cluster');
        return { clusterId, members: parseMembers(bodyOf(answer)) };
      },
    });
  }

  versions(urls: readonly string[]): Promise<PeerVersions> {
    return this.#call(urls, { method: 'GET', path: '/version', read: (answer) => parseVersions(bodyOf(answer)) });
  }

  hashKv(urls: readonly string[], revision: number): Promise<HashKVResponse> {
    const { clusterId } = this.#options;
    return this.#call(urls, {
      method: 'GET',
      path: '/members/hashkv',
      headers: clusterId === undefined ? {} : { 'X-Etcd-Cluster-ID': hexId(clusterId) },
      body: utf8Encode(`{"revision":${revision}}`),
      answerMs: this.#longAnswerMs,
      read: (answer) => {
        const text = textOf(answer);
        for (const name of ['FutureRev', 'Compacted', 'ClusterIDMismatch'] as const) {
          const error = etcdError(name);
          // Members leave out the prefix that clients know.
          if (answer.status !== 200 && error.message.endsWith(text) && text !== '') throw error;
        }
        return parseHashKv(bodyOf(answer));
      },
    });
  }

  promoteMember(urls: readonly string[], id: bigint, authorization?: string): Promise<readonly Member[]> {
    return this.#call(urls, {
      method: 'POST',
      path: `/members/promote/${id}`,
      headers: authorization === undefined ? {} : { Authorization: authorization },
      answerMs: this.#longAnswerMs,
      read: (answer) => {
        const text = textOf(answer);
        if (answer.status === 404 && text.includes(MEMBER_NOT_FOUND)) throw etcdError('MemberNotFound');
        if (answer.status === 408) throw etcdError('Timeout');
        if (answer.status === 412 && text.includes(LEARNER_NOT_READY)) throw etcdError('LearnerNotReady');
        if (answer.status === 412 && text.includes(NOT_A_LEARNER)) throw etcdError('MemberNotLearner');
        return parseMembers(bodyOf(answer));
      },
    });
  }

  renewLease(urls: readonly string[], id: bigint): Promise<number> {
    return this.#call(urls, {
      method: 'POST',
      path: '/leases',
      headers: { 'Content-Type': 'application/protobuf' },
      body: encodeLeaseKeepAliveRequest({ ID: id }),
      read: (answer) => {
        checkLease(answer);
        const response = decodeLeaseKeepAliveResponse(okBody(answer));
        if (response.ID !== id) throw new Error('the answer is about another lease');
        return response.TTL;
      },
    });
  }

  leaseTimeToLive(urls: readonly string[], request: LeaseTimeToLiveRequest): Promise<LeaseTimeToLiveResponse> {
    return this.#call(urls, {
      method: 'POST',
      path: '/leases/internal',
      headers: { 'Content-Type': 'application/protobuf' },
      body: encodeLeaseInternalRequest({ leaseTimeToLiveRequest: request }),
      read: (answer) => {
        checkLease(answer);
        const { leaseTimeToLiveResponse } = decodeLeaseInternalResponse(okBody(answer));
        if (leaseTimeToLiveResponse?.ID !== request.ID) throw new Error('the answer is about another lease');
        return leaseTimeToLiveResponse;
      },
    });
  }

  isDowngradeEnabled(urls: readonly string[]): Promise<boolean> {
    return this.#call(urls, {
      method: 'GET',
      path: '/downgrade/enabled',
      read: (answer) => {
        const text = bodyOf(answer).trim();
        if (text !== 'true' && text !== 'false') throw new Error(`the answer is neither true nor false: ${text}`);
        return text === 'true';
      },
    });
  }

  close(): void {
    this.#connections.close();
  }

  async #call<T>(urls: readonly string[], call: Call<T>): Promise<T> {
    const failures: string[] = [];
    for (const url of urls) {
      const address = parsePeerAddress(url);
      if (address === undefined) {
        failures.push(`${url}: no peer URL`);
        continue;
      }
      try {
        return call.read(await this.#exchange(address, call));
      } catch (error) {
        if (error instanceof EtcdError) throw error;
        failures.push(`${url}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new PeerCallError(`no member answered ${call.method} ${call.path}: ${failures.join('; ')}`);
  }

  /** None of the calls does harm when it is made twice. */
  #exchange<T>(address: PeerAddress, call: Call<T>): Promise<Answer> {
    const { method, path, headers = {}, body = EMPTY, answerMs = this.#answerMs } = call;
    const options = { method, path, headers, connections: this.#connections, isRepeatable: true };
    return this.#dialer.exchange(address, options, body, answerMs);
  }
}

function checkLease(answer: Answer): void {
  if (answer.status === 404 && textOf(answer).includes(LEASE_NOT_FOUND)) throw etcdError('LeaseNotFound');
  if (answer.status === 408 && textOf(answer).includes(APPLY_TIMEOUT)) throw etcdError('Timeout');
}

function okBody(answer: Answer): Uint8Array {
  if (answer.status !== 200) throw new Error(`it answered ${answer.status} ${textOf(answer)}`);
  return answer.body;
}

function bodyOf(answer: Answer): string {
  okBody(answer);
  return answer.body.toString('utf8');
}

function textOf(answer: Answer): string {
  return answer.body.toString('utf8', 0, 300).trim();
}
