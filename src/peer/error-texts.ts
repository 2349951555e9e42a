/** Texts by which members tell each other what went wrong (etcd-behaviour §5.4). */

export const MEMBER_NOT_FOUND = 'membership: ID not found';
export const NOT_A_LEARNER = 'membership: can only promote a learner member';
export const LEARNER_NOT_READY = 'etcdserver: can only promote a learner member which is in sync with leader';
export const LEASE_NOT_FOUND = 'lease not found';
export const APPLY_TIMEOUT = 'waiting for node to catch up its applied index has timed out';
