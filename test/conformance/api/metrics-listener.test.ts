import { expect, it } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { http } from '../../support/http.ts';
import { describeTargets } from '../../support/target.ts';

const port = await freePort();

describeTargets(
  'the listener for metrics and probes',
  (target) => {
    const get = (path: string): Promise<{ status: number; body: string }> => http(`http://127.0.0.1:${port}${path}`);

    it('answers the probes of a kubelet and a Prometheus', async () => {
      expect(await get('/health?serializable=true')).toMatchObject({
        status: 200,
        body: '{"health":"true","reason":""}',
      });
      expect(await get('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
      expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
      expect((await get('/metrics')).body).toMatch(/^etcd_server_has_leader 1$/m);
    });

    it('answers nothing else, and the client port still answers these', async () => {
      expect((await get('/version')).status).toBe(404);
      expect((await http(`${target().server.clientUrl}/health`)).status).toBe(200);
    });
  },
  { flags: [`--listen-metrics-urls=http://127.0.0.1:${port}`] },
);
