export const GRPC_PREFIX_BYTES = 5;

/** A message as gRPC sends it: not compressed, its length in four bytes. */
export function grpcFrame(message: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  out.set(message, GRPC_PREFIX_BYTES);
  return out;
}
