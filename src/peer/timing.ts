/** How long things may take between members. All in ms. */

export interface PeerTiming {
  /** Until a connection stands; a lost peer must not hold up a dial for longer than an election. */
  readonly dialMs: number;
  /** A stream on which nothing came for so long is given up (raft-read-timeout). */
  readonly readMs: number;
  /** A write that did not leave for so long gives its connection up (raft-write-timeout). */
  readonly writeMs: number;
  /** Between link heartbeats: a third of the shortest read timeout a peer can have, whatever the own one is. */
  readonly heartbeatMs: number;
  /** Between two dials of a stream. */
  readonly redialMs: number;
  readonly probeMs: number;
  /** From the end of a request to its answer. */
  readonly answerMs: number;
  /** A snapshot of which nothing moved for so long is given up, by either side; the receiver may be busy with its disk. */
  readonly snapshotStallMs: number;
  /** As answerMs, for a snapshot: the receiver has to sync it. */
  readonly snapshotAnswerMs: number;
  /** For what is queued to leave when a peer is removed or the transport stops. */
  readonly lingerMs: number;
}

export const DEFAULT_TIMING: PeerTiming = {
  dialMs: 2000,
  readMs: 5000,
  writeMs: 5000,
  heartbeatMs: 5000 / 3,
  redialMs: 100,
  probeMs: 4000,
  answerMs: 5000,
  snapshotStallMs: 30_000,
  snapshotAnswerMs: 600_000,
  lingerMs: 500,
};
