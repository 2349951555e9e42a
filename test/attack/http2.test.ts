import { describeAttacks } from './declare.ts';

describeAttacks('by HTTP/2 and gRPC', [
  'rapid-reset',
  'made-you-reset',
  'continuation-flood',
  'ping-flood',
  'hpack-bomb',
  'huge-headers',
  'open-streams',
  'slow-list-readers',
  'unfinished-messages',
  'gzip-bomb',
  'txn-of-a-million',
  'deep-txn',
]);
