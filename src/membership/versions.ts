/** The version of the cluster, which follows those of its members, and what depends on it (etcd-behaviour §9.5). */

/** What a cluster has as long as not all members have answered. */
export const INITIAL_CLUSTER_VERSION = '3.0.0';
/** The first schema that says in the database which one it is. */
const SCHEMA_WITH_VERSION = '3.6.0';

/** The wish to go back to an earlier minor version. */
export interface Downgrade {
  readonly isEnabled: boolean;
  /** `X.Y.0`; empty unless enabled. */
  readonly targetVersion: string;
}

export const NO_DOWNGRADE: Downgrade = { isEnabled: false, targetVersion: '' };

/** Major and minor version as one number; 0 for what is no version, so that nothing is built on it. */
export function minorOf(version: string): number {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})\./.exec(version) ?? [];
  return Number(major ?? 0) * 10_000 + Number(minor ?? 0);
}

/** `X.Y.0` of a release, also one before it (`3.7.0-rc.1`); undefined for what is no version. */
export function minorRelease(version: string): string | undefined {
  const minor = minorOf(version);
  return minor === 0 ? undefined : `${Math.floor(minor / 10_000)}.${minor % 10_000}.0`;
}

/** `X.Y.0` of `X.Y` or `X.Y.Z`; undefined for what is no version. */
export function parseTarget(text: string): string | undefined {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})(?:\.\d{1,9})?$/.exec(text) ?? [];
  return major === undefined ? undefined : `${Number(major)}.${Number(minor)}.0`;
}

/** As etcd writes it where there is no patch version: `X.Y`. */
export function shortVersion(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

/** One can go back by one minor version. */
export function isDowngradeFrom(version: string, target: string): boolean {
  return minorOf(target) > 0 && minorOf(version) === minorOf(target) + 1;
}

/**
 * What the leader should make the version of the cluster; undefined where it is to stay. `lowest`: of the members' versions,
 * undefined unless all of them are known. Up with the members; down at once when a downgrade is wanted, so that members of the
 * target's version find a cluster that they can be part of.
 */
export function nextClusterVersion(
  current: string | undefined,
  lowest: string | undefined,
  downgrade: Downgrade,
): string | undefined {
  const members = lowest === undefined ? undefined : minorRelease(lowest);
  if (current === undefined) return members ?? INITIAL_CLUSTER_VERSION;
  if (members === undefined) return undefined;
  if (downgrade.isEnabled) {
    const { targetVersion } = downgrade;
    const isPossible = isDowngradeFrom(current, targetVersion) && isDowngradeFrom(members, targetVersion);
    return isPossible ? targetVersion : undefined;
  }
  return minorOf(members) > minorOf(current) ? members : undefined;
}

/** Up to 3.5 a member forgets what is left of its leases when it starts, unless it is told otherwise. */
export function persistsCheckpoints(clusterVersion: string | undefined): boolean {
  return clusterVersion !== undefined && minorOf(clusterVersion) >= minorOf(SCHEMA_WITH_VERSION);
}

/** Why a member must not take part in a cluster; undefined where it may. */
export function tooOldFor(clusterVersion: string | undefined, serverVersion: string): string | undefined {
  if (clusterVersion === undefined || minorOf(serverVersion) >= minorOf(clusterVersion)) return undefined;
  const versions = `${serverVersion} < ${shortVersion(clusterVersion)}`;
  return `invalid downgrade; server version is lower than determined cluster version: ${versions}`;
}

/**
 * Whether a member may join: some other one must say of its cluster what this one can deal with, and none the contrary. Versions
 * of those that did not answer, or do not know, are undefined. While a downgrade is wanted, and the cluster not yet there, only
 * members of the version below are let in.
 */
export function canJoin(
  clusterVersions: readonly (string | undefined)[],
  serverVersion: string,
  isDowngradeEnabled: boolean,
): boolean {
  const own = minorOf(serverVersion);
  const [lowest, highest] = isDowngradeEnabled ? [own + 1, own + 1] : [minorOf(INITIAL_CLUSTER_VERSION), own];
  const known = clusterVersions.flatMap((version) => (version === undefined ? [] : [minorOf(version)]));
  return known.length > 0 && known.every((version) => version >= lowest && version <= highest);
}

/** The version of the database's schema, which follows the cluster's; undefined as long as that is not decided. */
export function storageVersionOf(clusterVersion: string | undefined): string | undefined {
  return clusterVersion === INITIAL_CLUSTER_VERSION ? undefined : clusterVersion;
}

/** What the database says of its schema: nothing up to 3.5. */
export function storedStorageVersion(clusterVersion: string | undefined): string | undefined {
  const version = storageVersionOf(clusterVersion);
  return version === undefined || minorOf(version) < minorOf(SCHEMA_WITH_VERSION) ? undefined : version;
}
