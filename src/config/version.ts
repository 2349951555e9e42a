/** The release of etcd whose API and behaviour clients may count on; what /version and Status report. */
export const ETCD_COMPAT_VERSION = '3.6.12';

/** quorate's own; equal to package.json's, which a test proves. */
export const QUORATE_VERSION = '0.1.0';

export function versionText(): string {
  return [
    `etcd Version: ${ETCD_COMPAT_VERSION}`,
    `quorate Version: ${QUORATE_VERSION}`,
    `Node Version: ${process.version}`,
    `Node OS/Arch: ${process.platform}/${process.arch}`,
  ].join('\n');
}
