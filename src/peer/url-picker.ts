/** The URLs of one peer, and which of them to use now: the same until it fails. */
import { parsePeerAddress, type PeerAddress } from './peer-address.ts';

export class UrlPicker {
  #addresses: PeerAddress[] = [];
  #at = 0;

  constructor(urls: readonly string[]) {
    this.update(urls);
  }

  /** What is no peer URL is left out. */
  update(urls: readonly string[]): void {
    this.#addresses = urls.map(parsePeerAddress).filter((address) => address !== undefined);
    this.#at = 0;
  }

  get count(): number {
    return this.#addresses.length;
  }

  /** undefined if there is no usable URL. */
  pick(): PeerAddress | undefined {
    return this.#addresses[this.#at];
  }

  /** Goes on to the next one, unless another user of this picker has done so already. */
  failed(address: PeerAddress): void {
    if (this.#addresses[this.#at] === address) this.#at = (this.#at + 1) % this.#addresses.length;
  }
}
