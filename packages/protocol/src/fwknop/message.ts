/** What an fwknop packet says, as plain data. */

/** Largest sizes, in bytes where not said otherwise. */
export const FWKNOP_LIMITS = {
  /** Digits of the random value; not more and not less. */
  random: 16,
  /** A server takes no longer name, though fwknop's client sends one. */
  user: 48,
  /** Characters. */
  version: 8,
  /** Address and ports, or address and command: what fwknop's client sends. Its server takes 192. */
  message: 255,
  /** Characters of a NAT target's host. */
  host: 70,
  /** As senders may write it; readers take 192. */
  serverAuth: 63,
  /** Seconds. */
  timeout: 65_536,
} as const;

/** A port of this host that is asked for. */
export interface FwknopPort {
  readonly protocol: 'tcp' | 'udp';
  /** 1 to 65,535. */
  readonly port: number;
}

interface FwknopCommon {
  /** 16 decimal digits. */
  readonly random: string;
  /** Name of the user, 1 to 48 characters of ASCII without `" / \ [ ] : ; | = , + * ? < >`. Says who it claims to be, no more. */
  readonly user: string;
  /** Seconds since 1970, below 2^32. */
  readonly time: number;
  /** Version of the format, 1 to 8 characters; fwknop sends 3.0.0 and never looks at it. */
  readonly version: string;
  /** For whom to open: 16 bytes, IPv4 as ::ffff:a.b.c.d; undefined for 0.0.0.0, which means where the packet came from. */
  readonly source: Uint8Array | undefined;
  /** Carried by the format, evaluated by nobody. */
  readonly serverAuth?: string;
}

/** What a packet asks for. IPv6 addresses are ours: fwknop 2.6.10 knows dotted IPv4 only. */
export type FwknopMessage = FwknopCommon &
  (
    | {
        readonly kind: 'command';
        /** What is to be run; at least one character. */
        readonly command: string;
      }
    | {
        readonly kind: 'access';
        /** One or more. */
        readonly ports: readonly FwknopPort[];
        /** Seconds; 0 leaves it to the server. */
        readonly timeout: number;
      }
    | {
        /** Forwarded to another host, or to another port of this one. */
        readonly kind: 'nat-access' | 'local-nat-access';
        /** One or more; servers use the first. */
        readonly ports: readonly FwknopPort[];
        /** Name or address of at most 70 characters, and 1 to 65,535. */
        readonly nat: { readonly host: string; readonly port: number };
        /** Seconds; 0 leaves it to the server. */
        readonly timeout: number;
      }
  );

/** fwknop's number for the kind of a message; one with a timeout has a number of its own. */
export function fwknopMessageType(message: FwknopMessage): 0 | 1 | 2 | 3 | 4 | 5 | 6 {
  switch (message.kind) {
    case 'command':
      return 0;
    case 'access':
      return message.timeout > 0 ? 3 : 1;
    case 'nat-access':
      return message.timeout > 0 ? 4 : 2;
    case 'local-nat-access':
      return message.timeout > 0 ? 6 : 5;
  }
}
