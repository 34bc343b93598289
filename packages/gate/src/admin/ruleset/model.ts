/**
 * The host's packet filter as far as one packet needs it: pure data and questions. Two front ends make it, `nft-json.ts` of what nft
 * lists and `iptables-text.ts` of what iptables-save writes; `simulate.ts` sends a packet through.
 */

/** Yes, no, or not understood. */
export type Tri = boolean | undefined;

/** Where a packet meets base chains, in this order. */
export type Hook = 'ingress' | 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/**
 * One packet. An address that is undefined is that of a stranger, whom no rule names: it is in every block of length 0 and in no
 * other.
 */
export interface Packet {
  readonly family: 4 | 6;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6';
  readonly source: string | undefined;
  readonly destination: string | undefined;
  /** 0 where the protocol has none. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** TCP flags that are set; empty for others. */
  readonly flags: readonly string[];
  /** What conntrack says of it. */
  readonly state: 'new' | 'established' | 'untracked';
  /** Interface that it came in by; undefined for what this host sends. */
  readonly input: string | undefined;
  /** Interface that it leaves by; undefined for what comes in. Forwarded packets leave by one that is not known here. */
  readonly output: string | undefined;
  /** Its destination was changed on the way. */
  readonly translated: boolean;
}

/** What a rule does with a packet that it matches. */
export type Verdict =
  | { readonly kind: 'next' | 'return' | 'accept' | 'drop' | 'reject' | 'unknown' | 'untrack' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Absent = stays as it is. An address of undefined is this host (`redirect`). */
  | { readonly kind: 'translate'; readonly address: string | undefined; readonly port: number | undefined };

/** One rule. */
export interface Rule {
  /** Names the rule in its chain for a person, with what is not understood of it. */
  readonly text: string;
  readonly test: (packet: Packet) => Tri;
  /** One verdict, or several of which one comes true. */
  readonly act: (packet: Packet) => readonly Verdict[];
  /** Ports that it translates, so that it is known which ports are published. */
  readonly published?: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
}

/** Who writes the rules: what a rule that is added must look like. */
export type Owner = 'nft' | 'firewalld' | 'ufw' | 'iptables' | 'iptables-legacy' | 'postern';

/** One chain. */
export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** A chain at a hook. */
export interface BaseChain extends Chain {
  readonly hook: Hook;
  readonly priority: number;
  readonly nat: boolean;
  readonly policy: 'accept' | 'drop';
  readonly table: Table;
}

/** One table: its chains, and for whom it is. */
export interface Table {
  readonly family: 'inet' | 'ip' | 'ip6' | 'netdev';
  readonly name: string;
  readonly owner: Owner;
  readonly chains: ReadonlyMap<string, Chain>;
}

/** Everything that a packet meets. */
export interface Ruleset {
  /** In the order of hooks and priorities. */
  readonly base: readonly BaseChain[];
}

/** Puts rulesets of several sources together. */
export function joinRulesets(all: readonly Ruleset[]): Ruleset {
  return { base: all.flatMap(({ base }) => base).toSorted((a, b) => a.priority - b.priority) };
}

/** Not: of an answer that may be missing. */
export function not(answer: Tri): Tri {
  return answer === undefined ? undefined : !answer;
}

/** And: false wins over what is not understood. */
export function every(answers: readonly Tri[]): Tri {
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}

/** Or: true wins over what is not understood. */
export function some(answers: readonly Tri[]): Tri {
  if (answers.includes(true)) return true;
  return answers.includes(undefined) ? undefined : false;
}
