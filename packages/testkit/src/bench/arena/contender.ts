/** Who is measured: one way to knock at one server. */
import type { ProcessorTime } from '../../processor-time.ts';

/** One packet of a knock. */
export interface KnockPacket {
  readonly protocol: 'udp' | 'syn';
  readonly port: number;
  /** Base64; nothing in a SYN. */
  readonly payload?: string;
}

/** One knock from an address of its own. */
export interface PlannedKnock {
  readonly from: string;
  readonly gate: string;
  /** The packets in their order; or the key of a device for a service, whose ports depend on when it knocks. */
  readonly way: readonly KnockPacket[] | { readonly key: string; readonly service: string };
  /** Milliseconds of rest before it. */
  readonly rest: number;
}

/** The names of all contenders, in the order of the tables. */
export const CONTENDERS = {
  floor: 'the floor',
  'native-1': 'Postern, native, suite 1',
  'native-2': 'Postern, native, suite 2',
  fwknop: "Postern, fwknop's format",
  door: 'Postern, a door',
  keyed: 'Postern, keyed',
  'fwknopd-udp': 'fwknopd, UDP server',
  fwknopd: 'fwknopd, sniffing (its default)',
  knockd: 'knockd',
} as const;

/** Which. */
export type ContenderName = keyof typeof CONTENDERS;

/** A program that can be started again. */
export interface Daemon {
  stop(): Promise<void>;
  /** Resolves when it says that it hears packets. */
  start(): Promise<void>;
}

/** A server that runs, and one way to knock at it. */
export interface Contender {
  readonly name: ContenderName;
  /** The server's address. */
  readonly gate: string;
  /** The network that it shares with the world: its first two numbers. */
  readonly network: string;
  /** Milliseconds between two looks of a server that does not wait for packets: a knock comes at a random time between them. */
  readonly looks: number;
  /** A knock that was never made, from the world's address of that number. */
  knock(index: number): PlannedKnock;
  /** Processor time so far, with that of the programs that it ran to the end. */
  cpu(): ProcessorTime;
  /** Proportional set size of all its processes, MB. */
  memory(): number;
  /** Closes everything that was opened, where that does not end by itself. */
  close(): void;
  /** Its program, which can be ended and started again on the same files. */
  readonly daemon: Daemon;
}

/** The port that is opened. */
export const SERVICE_PORT = 8022;
/** Where the servers of packets hear. */
export const KNOCK_PORT = 62_201;
