/** An answer other than OK, and what it is in HTTP. */

export const InvalidArgument = 3;
export const NotFound = 5;
export const ResourceExhausted = 8;
export const Unimplemented = 12;
export const Unauthenticated = 16;

export interface Status {
  readonly code: number;
  readonly message: string;
}

export class StatusError extends Error {
  readonly status: Status;

  constructor(code: number, message: string) {
    super(message);
    this.status = { code, message };
  }
}

/** By gRPC code, from 0. */
const HTTP_STATUS = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

export function httpStatusOf(code: number): number {
  return HTTP_STATUS[code] ?? 500;
}
