import { randomBytes } from 'node:crypto';
import type { KubeClient } from './kube-client.ts';
import { at } from './kube-object.ts';
import { acceptOf, CHANNEL, EXEC_PROTOCOL, readMessages } from './web-socket.ts';

const TIMEOUT_MS = 30_000;

/** Runs a command in a pod's only container, as `kubectl exec` does; its standard output. Throws when it fails. */
export async function exec(client: KubeClient, podPath: string, command: readonly string[]): Promise<string> {
  const query = new URLSearchParams([
    ...command.map((word): [string, string] => ['command', word]),
    ['stdout', 'true'],
    ['stderr', 'true'],
  ]);
  const key = randomBytes(16).toString('base64');
  const { socket, head, response } = await client.upgrade(`${podPath}/exec`, query, {
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': EXEC_PROTOCOL,
  });
  if (response.headers['sec-websocket-accept'] !== acceptOf(key)) throw new Error('exec: not a WebSocket');
  const output = { stdout: '', stderr: '', error: '' };
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`exec did not end within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    const onMessage = (bytes: Buffer): void => {
      const text = bytes.subarray(1).toString('utf8');
      if (bytes[0] === CHANNEL.stdout) output.stdout += text;
      if (bytes[0] === CHANNEL.stderr) output.stderr += text;
      if (bytes[0] === CHANNEL.error) output.error += text;
    };
    readMessages(socket, head, onMessage, () => {
      clearTimeout(timer);
      resolve();
    });
  });
  socket.destroy();
  const status = output.error === '' ? undefined : at(JSON.parse(output.error), 'status');
  if (status !== 'Success')
    throw new Error(`exec ${command.join(' ')}: ${output.error || 'no status'} ${output.stderr}`);
  return output.stdout;
}
