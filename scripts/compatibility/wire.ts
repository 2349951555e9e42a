/** What no table holds: how calls look on the wire, and how founders find each other. */

export const ON_THE_WIRE = `A test sends requests byte by byte to both servers and compares status, text and HTTP status of the answers: unknown methods,
malformed timeouts, content types, methods, encodings and metadata, compressed messages; and on connections the limit of streams, pings of
either side, and the end. What is left:

- Answers are never compressed; etcd compresses them for a client that says its requests could be (\`grpc-encoding: gzip\`).
- Their content type is always \`application/grpc\`, without what the request's has behind it.
- A unary call with two messages, none, or half of one is refused with Internal; etcd takes the first, or answers Unknown.
- Requests without \`:scheme\` or \`:path\`, and a \`te\` other than \`trailers\`, are protocol errors, as RFC 9113 has it.
- After data were sent, a client may ping a little more often before it is sent away.
- Calls that are open when the server stops end with a status; etcd closes the connection.
`;

export const DISCOVERY = `- With \`--discovery-srv\` and no \`--peer-trusted-ca-file\`, the certificates of other members must be for the domain at every start; etcd
  asks that at the first start only.
- A member that lost its data does not found its cluster a second time through \`--discovery-token\`, as it does not by \`--initial-cluster\`;
  etcd lets it.
`;
