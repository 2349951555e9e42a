import { Client } from '../load/client.ts';

/** Runs `work` with clients that are closed afterwards. */
export async function withClients<T>(
  port: number,
  count: number,
  work: (clients: readonly Client[]) => Promise<T>,
): Promise<T> {
  const clients: Client[] = [];
  try {
    for (let i = 0; i < count; i++) clients.push(await Client.open(port));
    return await work(clients);
  } finally {
    for (const client of clients) client.close();
  }
}
