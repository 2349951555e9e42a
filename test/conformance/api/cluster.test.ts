import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { expectError, expectStatus, Status } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';

describeTargets('cluster', (target) => {
  it('lists the member with its names and URLs', async () => {
    const { client, server, memberId } = target();
    for (const linearizable of [false, true]) {
      const { header, members } = await client.memberList({ linearizable });
      expect(header.cluster_id).toBe(target().clusterId);
      expect(members).toEqual([
        {
          ID: memberId,
          name: server.name,
          peerURLs: [`http://127.0.0.1:${server.peerPort}`],
          clientURLs: [server.clientUrl],
          isLearner: false,
        },
      ]);
    }
  });

  const call = (method: string, request: object): Promise<unknown> =>
    target().client.unary('etcdserverpb.Cluster', method, request);

  it('refuses changes to members that are not there', async () => {
    await expectError(call('MemberRemove', { ID: 0xbad }), 'MemberNotFound');
    await expectError(call('MemberUpdate', { ID: 0xbad, peerURLs: ['http://127.0.0.1:1'] }), 'MemberNotFound');
    await expectError(call('MemberPromote', { ID: 0xbad }), 'MemberNotFound');
  });

  it('refuses to promote a voter', async () => {
    await expectError(call('MemberPromote', { ID: target().memberId }), 'MemberNotLearner');
  });

  it('refuses bad and used peer URLs', async () => {
    for (const peerURLs of [
      [],
      ['nonsense'],
      ['http://127.0.0.1'],
      ['ftp://127.0.0.1:1'],
      ['http://127.0.0.1:1/path'],
    ]) {
      await expectError(call('MemberAdd', { peerURLs }), 'MemberBadURLs');
    }
    const own = [`http://127.0.0.1:${target().server.peerPort}`];
    await expectError(call('MemberAdd', { peerURLs: own, isLearner: true }), 'PeerURLExist');
  });

  it('names the member and the cluster as etcd derives them', () => {
    const sha1 = (data: Buffer | string): Buffer => createHash('sha1').update(data).digest();
    // The default token, and at bootstrap no time.
    const member = sha1(`http://127.0.0.1:${target().server.peerPort}etcd-cluster`).subarray(0, 8);
    expect(target().memberId).toBe(member.readBigUInt64BE());
    expect(target().clusterId).toBe(sha1(member).readBigUInt64BE());
  });

  it('answers methods and services that do not exist', async () => {
    const { client } = target();
    const empty = new Uint8Array();
    await expectStatus(
      client.unaryBytes('/etcdserverpb.KV/Nothing', empty),
      Status.Unimplemented,
      'unknown method Nothing for service etcdserverpb.KV',
    );
    await expectStatus(
      client.unaryBytes('/nothing.Service/Method', empty),
      Status.Unimplemented,
      'unknown service nothing.Service',
    );
  });
});

describeTargets('gRPC health service', (target) => {
  const check = (service: string): Promise<{ status: string }> =>
    target().client.unary('grpc.health.v1.Health', 'Check', { service });

  it('serves the empty name and knows no other', async () => {
    expect(await check('')).toEqual({ status: 'SERVING' });
    await expectStatus(check('etcdserverpb.KV'), Status.NotFound, 'unknown service');
  });

  it('lists what it knows', async (context) => {
    target().requires(context, '3.5.30', 'Health.List');
    const list = await target().client.unary('grpc.health.v1.Health', 'List', {});
    expect(list).toEqual({ statuses: [{ service: '', status: { status: 'SERVING' } }] });
  });

  it('streams its status', async () => {
    const { client } = target();
    const serving = client.serverStream<{ status: string }>('grpc.health.v1.Health', 'Watch', { service: '' });
    expect(await serving.next()).toEqual({ status: 'SERVING' });
    await serving.expectSilence(100);
    serving.cancel();
    const unknown = client.serverStream<{ status: string }>('grpc.health.v1.Health', 'Watch', { service: 'x' });
    expect(await unknown.next()).toEqual({ status: 'SERVICE_UNKNOWN' });
    unknown.cancel();
  });
});
