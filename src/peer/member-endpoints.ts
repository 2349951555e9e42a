/** What members ask each other besides Raft: members, versions, hashes, leases (etcd-behaviour §5.4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EtcdError, etcdError, type EtcdErrorName } from '../base/etcd-error.ts';
import { decodeLeaseInternalRequest, encodeLeaseInternalResponse } from '../gen/leasepb.ts';
import { decodeLeaseKeepAliveRequest, encodeLeaseKeepAliveResponse } from '../gen/rpc.ts';
import { BodyReader } from './body-reader.ts';
import { CLUSTER_ID_MISMATCH, headerText, hexId } from './headers.ts';
import { HttpFailure, answer, answerJson, hasMethod } from './http-answer.ts';
import { hashKvJson, membersJson, parseRevision, versionsJson } from './member-json.ts';
import type { PeerContext } from './peer-context.ts';
import { APPLY_TIMEOUT, LEASE_NOT_FOUND, LEARNER_NOT_READY, MEMBER_NOT_FOUND, NOT_A_LEARNER } from './error-texts.ts';

const PROMOTE_PATH = '/members/promote/';
/** Of the requests here, all of which are small. */
const BODY_BYTES_MAX = 64 << 10;
const UINT64_MAX = 2n ** 64n - 1n;

export class MemberEndpoints {
  readonly #context: PeerContext;

  constructor(context: PeerContext) {
    this.#context = context;
  }

  /** False if nothing of the kind is there. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (path === '/members') this.#members(request, response);
    else if (path === '/members/hashkv') await this.#hashKv(request, response);
    else if (path.startsWith(PROMOTE_PATH)) await this.#promote(path.slice(PROMOTE_PATH.length), request, response);
    else if (path === '/leases') await this.#renewLease(request, response);
    else if (path === '/leases/internal') await this.#leaseTimeToLive(request, response);
    else if (path === '/version') this.#version(request, response);
    else if (path === '/downgrade/enabled') await this.#downgradeEnabled(request, response);
    else return false;
    return true;
  }

  #members(request: IncomingMessage, response: ServerResponse): void {
    if (!hasMethod(request, response, 'GET')) return;
    this.#nameCluster(response);
    answerJson(response, 200, membersJson(this.#context.handler.members()));
  }

  #version(request: IncomingMessage, response: ServerResponse): void {
    if (!hasMethod(request, response, 'GET')) return;
    answerJson(response, 200, versionsJson(this.#context.handler.versions()));
  }

  async #downgradeEnabled(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!hasMethod(request, response, 'GET')) return;
    this.#nameCluster(response);
    const enabled = await this.#context.handler.isDowngradeEnabled();
    response.setHeader('Content-Type', 'text/plain');
    answer(response, 200, String(enabled));
  }

  async #promote(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!hasMethod(request, response, 'POST')) return;
    this.#nameCluster(response);
    if (!/^\d{1,20}$/.test(id) || BigInt(id) > UINT64_MAX) {
      throw new HttpFailure(404, `member ${id} not found in cluster`);
    }
    const authorization = headerText(request.headers.authorization);
    try {
      const members = await this.#context.handler.promoteMember(BigInt(id), authorization);
      answerJson(response, 200, membersJson(members));
    } catch (error) {
      if (is(error, 'MemberNotFound')) throw new HttpFailure(404, MEMBER_NOT_FOUND);
      if (is(error, 'MemberNotLearner')) throw new HttpFailure(412, NOT_A_LEARNER);
      if (is(error, 'LearnerNotReady')) throw new HttpFailure(412, LEARNER_NOT_READY);
      this.#context.logger.warn('promoting a member failed', { id, error });
      answerJson(response, 500, '{"message":"Internal Server Error"}\n');
    }
  }

  async #hashKv(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!hasMethod(request, response, 'GET')) return;
    const { self, handler } = this.#context;
    const cluster = headerText(request.headers['x-etcd-cluster-id']) ?? '';
    if (cluster !== '' && cluster !== hexId(self.clusterId)) throw new HttpFailure(412, CLUSTER_ID_MISMATCH);
    const revision = parsed(await this.#body(request), (body) => parseRevision(Buffer.from(body).toString('utf8')));
    try {
      const hash = await handler.hashKv(revision);
      this.#nameCluster(response);
      answerJson(response, 200, hashKvJson(hash));
    } catch (error) {
      if (error instanceof EtcdError) throw new HttpFailure(400, error.message.replace(/^etcdserver: /, ''));
      throw error;
    }
  }

  async #renewLease(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new HttpFailure(405, 'Method Not Allowed');
    const lease = parsed(await this.#body(request), decodeLeaseKeepAliveRequest);
    const { handler } = this.#context;
    const renewed = await this.#lease(() => handler.renewLease(lease));
    response.setHeader('Content-Type', 'application/protobuf');
    answer(response, 200, encodeLeaseKeepAliveResponse(renewed));
  }

  async #leaseTimeToLive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new HttpFailure(405, 'Method Not Allowed');
    const { leaseTimeToLiveRequest } = parsed(await this.#body(request), decodeLeaseInternalRequest);
    if (leaseTimeToLiveRequest === undefined) throw new HttpFailure(400, 'error unmarshalling request');
    const { handler } = this.#context;
    const found = await this.#lease(() => handler.leaseTimeToLive(leaseTimeToLiveRequest));
    response.setHeader('Content-Type', 'application/protobuf');
    answer(response, 200, encodeLeaseInternalResponse({ leaseTimeToLiveResponse: found }));
  }

  /** Turns the errors that members know into their answers. */
  async #lease<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (is(error, 'LeaseNotFound')) throw new HttpFailure(404, LEASE_NOT_FOUND);
      if (is(error, 'Timeout') || is(error, 'TimeoutWaitAppliedIndex')) throw new HttpFailure(408, APPLY_TIMEOUT);
      if (error instanceof EtcdError) throw new HttpFailure(400, error.message);
      throw error;
    }
  }

  async #body(request: IncomingMessage): Promise<Uint8Array> {
    const { clock, timing } = this.#context;
    const body = await new BodyReader(request, clock, timing.readMs).all(BODY_BYTES_MAX);
    if (body === undefined) throw new HttpFailure(413, 'request body too large');
    return body;
  }

  #nameCluster(response: ServerResponse): void {
    response.setHeader('X-Etcd-Cluster-ID', hexId(this.#context.self.clusterId));
  }
}

function parsed<T>(body: Uint8Array, decode: (body: Uint8Array) => T): T {
  try {
    return decode(body);
  } catch {
    throw new HttpFailure(400, 'error unmarshalling request');
  }
}

function is(error: unknown, name: EtcdErrorName): boolean {
  return error instanceof EtcdError && error.message === etcdError(name).message;
}
