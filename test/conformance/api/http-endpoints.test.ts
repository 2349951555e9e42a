import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';
import { http, type HttpAnswer } from '../../support/http.ts';

describeTargets('HTTP endpoints', (target) => {
  const get = (path: string, method = 'GET'): Promise<HttpAnswer> => http(target().server.clientUrl + path, { method });
  const alarm = (action: 'ACTIVATE' | 'DEACTIVATE', type: 'NOSPACE' | 'CORRUPT'): Promise<unknown> =>
    target().client.alarm({ action, memberID: target().memberId, alarm: type });

  it('/version tells the versions of the server and the cluster', async () => {
    const answer = await get('/version');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    const minor = target().version.replace(/\.\d+$/, '.0');
    const versions = { etcdserver: target().version, etcdcluster: minor };
    expect(JSON.parse(answer.body)).toEqual(target().atLeast('3.6') ? { ...versions, storage: minor } : versions);
    expect((await get('/version', 'POST')).status).toBe(405);
  });

  it('/health tells true', async () => {
    const answer = await get('/health');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.body).toBe('{"health":"true","reason":""}');
    expect(await get('/health?serializable=true')).toMatchObject({ status: 200, body: answer.body });
  });

  it('/health knows only GET', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect(await get('/health', method)).toMatchObject({ status: 405, body: 'Method Not Allowed\n' });
    }
  });

  it('/health tells of alarms, unless they are excluded', async () => {
    for (const type of ['NOSPACE', 'CORRUPT'] as const) {
      await alarm('ACTIVATE', type);
      const sick = { status: 503, body: `{"health":"false","reason":"ALARM ${type}"}\n` };
      expect(await get('/health')).toMatchObject(sick);
      expect(await get('/health?serializable=true')).toMatchObject(sick);
      expect(await get(`/health?exclude=${type}`)).toMatchObject({ status: 200 });
      expect(await get(`/health?exclude=OTHER&exclude=${type}`)).toMatchObject({ status: 200 });
      expect(await get('/health?exclude=OTHER')).toMatchObject(sick);
      await alarm('DEACTIVATE', type);
    }
    expect(await get('/health')).toMatchObject({ status: 200 });
  });

  const checks = {
    '/livez': ['serializable_read'],
    '/readyz': ['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner'],
  };

  for (const [path, names] of Object.entries(checks)) {
    it(`${path} says ok, and verbosely each check`, async () => {
      const answer = await get(path);
      expect(answer).toMatchObject({ status: 200, body: 'ok\n' });
      expect(answer.headers['content-type']).toMatch(/^text\/plain/);
      for (const query of ['?verbose', '?verbose=1']) {
        const lines = (await get(path + query)).body.split('\n');
        expect(lines.slice(-2)).toEqual(['ok', '']);
        expect(lines.slice(0, -2).toSorted()).toEqual(names.map((name) => `[+]${name} ok`).toSorted());
      }
    });

    it(`${path} leaves out what is excluded, and does not mind unknown names`, async () => {
      const lines = (await get(`${path}?verbose&exclude=serializable_read&exclude=unknown`)).body.split('\n');
      expect(lines).not.toContain('[+]serializable_read ok');
      expect(lines).toHaveLength(names.length - 1 + 2);
    });

    it(`${path} answers for each check by itself`, async () => {
      for (const name of names) expect(await get(`${path}/${name}`)).toMatchObject({ status: 200, body: 'ok\n' });
      expect((await get(`${path}/unknown`)).status).toBe(404);
    });

    it(`${path} knows only GET`, async () => {
      expect((await get(path, 'POST')).status).toBe(405);
    });
  }

  it('/readyz fails on data corruption with one line for each check, /livez does not mind', async () => {
    await alarm('ACTIVATE', 'CORRUPT');
    const answer = await get('/readyz');
    expect(answer.status).toBe(503);
    expect(answer.body.split('\n')).toContain('[-]data_corruption failed: alarm activated: CORRUPT');
    expect(answer.body.split('\n')).toContain('[+]serializable_read ok');
    expect((await get('/readyz/data_corruption')).status).toBe(503);
    expect(await get('/readyz/linearizable_read')).toMatchObject({ status: 200 });
    expect(await get('/readyz?exclude=data_corruption')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await get('/livez')).toMatchObject({ status: 200 });
    await alarm('DEACTIVATE', 'CORRUPT');
    expect(await get('/readyz')).toMatchObject({ status: 200 });
  });

  it('/metrics has the families that alerts and dashboards read, as Prometheus text', async () => {
    await target().client.put({ key: 'metric', value: 'v' });
    const answer = await get('/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
    const families = new Set([...answer.body.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]));
    const expected = `etcd_server_has_leader etcd_server_is_leader etcd_server_leader_changes_seen_total
      etcd_server_proposals_committed_total etcd_server_proposals_applied_total etcd_server_proposals_pending
      etcd_server_proposals_failed_total etcd_server_slow_apply_total etcd_server_slow_read_indexes_total
      etcd_server_read_indexes_failed_total etcd_server_health_success etcd_server_health_failures
      etcd_server_quota_backend_bytes etcd_server_version etcd_server_id etcd_cluster_version etcd_server_heartbeat_send_failures_total
      etcd_disk_wal_fsync_duration_seconds etcd_disk_wal_write_bytes_total etcd_disk_backend_commit_duration_seconds
      etcd_disk_backend_defrag_duration_seconds etcd_disk_backend_snapshot_duration_seconds
      etcd_mvcc_db_total_size_in_bytes etcd_mvcc_db_total_size_in_use_in_bytes etcd_mvcc_put_total etcd_mvcc_range_total
      etcd_mvcc_delete_total etcd_mvcc_txn_total etcd_debugging_mvcc_keys_total etcd_debugging_mvcc_current_revision
      etcd_debugging_mvcc_compact_revision etcd_debugging_mvcc_watcher_total etcd_debugging_mvcc_watch_stream_total
      etcd_debugging_mvcc_slow_watcher_total etcd_debugging_mvcc_events_total etcd_debugging_mvcc_pending_events_total
      etcd_debugging_lease_granted_total etcd_debugging_lease_revoked_total etcd_debugging_lease_renewed_total
      etcd_network_client_grpc_received_bytes_total etcd_network_client_grpc_sent_bytes_total
      grpc_server_handled_total grpc_server_started_total grpc_server_msg_received_total grpc_server_msg_sent_total
      process_resident_memory_bytes process_cpu_seconds_total process_open_fds process_max_fds process_start_time_seconds`
      .split(/\s+/)
      .filter((name) => name !== '');
    expect(expected.filter((name) => !families.has(name))).toEqual([]);
  });

  it('/metrics counts what happens', async () => {
    const { client } = target();
    const value = async (line: string): Promise<number> => {
      const { body } = await get('/metrics');
      const found = body.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return found === undefined ? Number.NaN : Number(found.slice(line.length + 1));
    };
    const puts = await value('etcd_mvcc_put_total');
    const { revision } = (await client.put({ key: 'metric', value: 'v' })).header;
    expect(await value('etcd_mvcc_put_total')).toBe(puts + 1);
    expect(await value('etcd_debugging_mvcc_current_revision')).toBe(Number(revision));
    expect(await value('etcd_server_has_leader')).toBe(1);
    expect(await value('etcd_server_is_leader')).toBe(1);
    expect(await value('etcd_server_quota_backend_bytes')).toBe(2_147_483_648);
    expect(await value(`etcd_server_version{server_version="${target().version}"}`)).toBe(1);
    expect(
      await value(
        'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}',
      ),
    ).toBeGreaterThan(0);
  });

  it('answers other paths with 404', async () => {
    for (const path of ['/', '/nothing', '/versions', '/v2/keys']) expect((await get(path)).status).toBe(404);
  });

  it('serves HTTP/1.1 and gRPC on one port at the same time', async () => {
    const answers = await Promise.all([
      ...Array.from({ length: 10 }, () => get('/health').then((answer) => answer.status)),
      ...Array.from({ length: 10 }, (_, i) =>
        target()
          .client.put({ key: `mixed${i}` })
          .then(() => 200),
      ),
    ]);
    expect(answers.every((status) => status === 200)).toBe(true);
  });
});
