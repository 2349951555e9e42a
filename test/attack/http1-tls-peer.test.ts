import { describeAttacks } from './declare.ts';

describeAttacks('by HTTP/1.1, TLS and on the peer port', [
  'slow-headers',
  'idle-connections',
  'pipelined-metrics',
  'gzip-body',
  'deep-json',
  'peer-garbage',
  'peer-huge-posts',
  'peer-many-members',
  'tls-handshakes',
  'tls-burst',
  'login-storm',
]);
