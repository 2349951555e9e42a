/** The peer URLs that a membership change may name. */
import { etcdError } from '../base/etcd-error.ts';

/** scheme://host:port and nothing behind it; unix sockets name a path in its place. */
const PEER_URL = /^(?:https?:\/\/(?:\[[0-9a-fA-F:.%]+\]|[^\s/:?#@[\]]+):\d{1,5}|unixs?:\/\/[^\s?#]+)$/;

/** Sorted, as they are stored. Throws MemberBadURLs. */
export function checkPeerUrls(urls: readonly string[]): string[] {
  if (urls.length === 0 || !urls.every((url) => PEER_URL.test(url))) throw etcdError('MemberBadURLs');
  return [...urls].sort();
}
