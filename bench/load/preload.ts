import { encodeTxnRequest } from '../../src/gen/rpc.ts';
import { Client, PATH } from './client.ts';
import { type KeySpace, putsOf, seededRandom, valueOf } from './workload.ts';

/** etcd's default of --max-txn-ops. */
const PUTS_PER_TXN = 128;
const CONNECTIONS = 2;
const TXNS_PER_CONNECTION = 8;
/** Values are picked from this many: making a million different ones would take longer than writing them. */
const VALUES = 257;

export interface Preload {
  readonly keys: KeySpace;
  readonly count: number;
  readonly valueBytes: number;
  readonly seed?: number;
}

/** Writes keys 0 .. count-1, as fast as the server takes them, and checks that they are there. */
export async function preload(port: number, { keys, count, valueBytes, seed = 1 }: Preload): Promise<void> {
  const random = seededRandom(seed);
  const values = Array.from({ length: VALUES }, () => valueOf(valueBytes, random));
  let next = 0;
  const nextTxn = (): Uint8Array | undefined => {
    if (next >= count) return undefined;
    const puts: [Uint8Array, Uint8Array][] = [];
    for (let i = 0; i < PUTS_PER_TXN && next < count; i++, next++) {
      puts.push([keys.key(next), values[next % VALUES] as Uint8Array]);
    }
    return encodeTxnRequest(putsOf(puts));
  };
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => Client.open(port)));
  try {
    const write = async (client: Client): Promise<void> => {
      for (let txn = nextTxn(); txn !== undefined; txn = nextTxn()) await client.unary(PATH.txn, txn);
    };
    await Promise.all(clients.flatMap((client) => Array.from({ length: TXNS_PER_CONNECTION }, () => write(client))));
    const [client] = clients as [Client];
    const found = await client.count(keys.range);
    if (found !== count) throw new Error(`${found} keys after writing ${count}`);
  } finally {
    for (const client of clients) client.close();
  }
}
