/** What the configuration says of fwknop's packets, after validation: plain data. */
import type { Seconds, UnixMicros } from '@postern/protocol';
import type { Endpoint, Source } from '../../firewall/port.ts';

/** Spelling of digests and HMACs, as fwknop's configuration has it. */
export type FwknopDigestName = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'sha3_256' | 'sha3_512';

/** Modes of Rijndael. */
export type FwknopModeName = 'ecb' | 'cbc' | 'cfb' | 'ofb' | 'ctr' | 'legacy';

/** What authenticates a packet; a stanza without one takes packets that anybody may have changed. */
export interface FwknopHmacKey {
  readonly digest: FwknopDigestName;
  /** 1 to 128 bytes. */
  readonly key: Uint8Array;
}

/** How the packets of a stanza are encrypted. */
export type FwknopCipher =
  | {
      readonly kind: 'symmetric';
      /** 1 to 32 bytes. */
      readonly key: Uint8Array;
      readonly mode: FwknopModeName;
    }
  | {
      readonly kind: 'gpg';
      /** Directory with the keyring. */
      readonly home: string;
      /** Path of the program. */
      readonly program: string;
      /** Of the private key; undefined: none is needed, or an agent has it. */
      readonly passphrase: Uint8Array | undefined;
      /** Of whom the signature may be: fingerprints, or the last 16 or 8 digits of one, upper-case hexadecimal; undefined: packets need no signature. */
      readonly signers: readonly string[] | undefined;
      /** A signature that does not verify counts as one. Only for who used GPG_IGNORE_SIG_VERIFY_ERROR. */
      readonly ignoreBadSignature: boolean;
    };

/**
 * Commands that are run, each as a program with its arguments. In them stand for values: `{source}` (what is opened for), `{packet_source}`, `{destination}`
 * (of the packet), `{port}` and `{protocol}` (6 or 17) of the first port that is asked for, `{timeout}` (the packet's time and the seconds, in seconds since
 * 1970), `{client_timeout}` (seconds that the client asked for).
 */
export interface FwknopCycle {
  readonly open: readonly string[];
  /** Undefined: nothing is run at the end. */
  readonly close: readonly string[] | undefined;
  /** Seconds between the two. */
  readonly closeAfter: number;
}

/** Whether requests may forward. */
export interface FwknopNat {
  /** To other hosts: message types 2 and 4. */
  readonly forward: boolean;
  /** To another port of this host: message types 5 and 6. */
  readonly local: boolean;
  /** Where every request of the stanza leads, whatever it asks for. 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly force: { readonly address: Uint8Array; readonly port: number } | undefined;
  /** The target sees this host's address. */
  readonly masquerade: boolean;
}

/** One stanza: who may ask for what. */
export interface FwknopStanza {
  /** Unique; made of letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  /** Sources that packets may come from. */
  readonly sources: readonly Source[];
  /** Addresses that packets may come to; undefined: any. */
  readonly destinations: readonly Source[] | undefined;
  readonly cipher: FwknopCipher;
  /** Undefined only where the stanza says so in as many words. */
  readonly hmac: FwknopHmacKey | undefined;
  /** Every port of a request must be one of these; undefined: any port. */
  readonly openPorts: readonly Endpoint[] | undefined;
  /** None of them may be one of these. */
  readonly restrictPorts: readonly Endpoint[];
  /** How long a grant lasts when the request does not say. */
  readonly seconds: Seconds;
  /** The most that a request may ask for. */
  readonly maxSeconds: Seconds;
  /** Requests must name the address that they open for. */
  readonly requireSourceAddress: boolean;
  readonly requireUser: string | undefined;
  readonly expires: UnixMicros | undefined;
  /** Each grant admits one connection. fwknop knows no such thing; false there. */
  readonly singleUse: boolean;
  /** As whom command messages run; undefined: they are refused. */
  readonly commandUser: string | undefined;
  /** A program with arguments that a command message is put behind (sudo, with its options); empty for none. */
  readonly commandPrefix: readonly string[];
  /** Seconds that a command may take. */
  readonly timeLimit: number;
  /** Commands instead of a grant. */
  readonly cycle: FwknopCycle | undefined;
  /** As whom those run. */
  readonly cycleUser: string;
  readonly nat: FwknopNat;
}

/** Where fwknop's packets are heard. */
export type FwknopHearing =
  { readonly protocol: 'udp' | 'tcp'; readonly first: number; readonly last: number } | { readonly protocol: 'icmp' };

/** Everything about fwknop. */
export interface Fwknop {
  readonly hear: readonly FwknopHearing[];
  /** Seconds that a packet's time may differ from ours, either way; undefined: any. */
  readonly maxAge: number | undefined;
  /** Names in NAT requests are looked up; otherwise they must be addresses. */
  readonly natNames: boolean;
  /** Work for sources that have shown no key is limited. False only to measure what it costs without. */
  readonly budget: boolean;
  /** In the order in which they are tried. */
  readonly stanzas: readonly FwknopStanza[];
}
