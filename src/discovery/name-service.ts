/** What founding a cluster by DNS asks of the name servers. */

export interface SrvRecord {
  /** As the record has it; a dot at its end is possible. */
  readonly target: string;
  readonly port: number;
}

export interface NameService {
  /** The records of `_SERVICE._tcp.DOMAIN`, the preferred ones first. Rejects with an Error of one line. */
  srv(service: string, domain: string): Promise<readonly SrvRecord[]>;
  /** One address of a host, IPv4 where there is one; an address is its own. Rejects with an Error of one line. */
  address(host: string): Promise<string>;
}
