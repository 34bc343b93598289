/** Sends one packet through a ruleset, and says what stops it, or which rule is not understood. Pure. */
import type { BaseChain, Chain, Hook, Packet, Rule, Ruleset, Verdict } from './model.ts';

/** How a chain can end for a packet. */
interface Ending {
  /** `return`: at its end, or sent back. */
  readonly verdict: Exclude<Verdict, { kind: 'next' | 'jump' | 'goto' | 'untrack' }>;
  /** The rule; undefined for the chain's end or its policy. */
  readonly rule: Rule | undefined;
}

/** A base chain that stops a packet. */
export interface Stop {
  readonly chain: BaseChain;
  /** The rule that does; undefined for the policy. */
  readonly rule: Rule | undefined;
  readonly verdict: 'drop' | 'reject';
}

/** A base chain of which it is not known what it does, and the rule that is not understood. */
export interface Doubt {
  readonly chain: BaseChain;
  readonly rule: Rule | undefined;
}

/** What became of a packet. */
export interface Journey {
  /** `unknown`: nothing stops it for sure, and something that may is not understood. */
  readonly verdict: 'accept' | 'drop' | 'reject' | 'unknown';
  /** Every base chain that stops it, as if those before had let it through. */
  readonly stops: readonly Stop[];
  readonly doubts: readonly Doubt[];
  /** Rules that hide it from conntrack, for sure or perhaps. */
  readonly untracked: readonly { readonly chain: BaseChain; readonly rule: Rule }[];
  /** As it is at the end: translation and conntrack's state may have changed. */
  readonly packet: Packet;
}

/** What a packet's way depends on beside the rules. */
export interface HostView {
  /** Whether an address is this host's: what is translated to another one is forwarded. */
  readonly isLocal: (address: string) => boolean;
  /** The interface by which what is forwarded to an address leaves; undefined where that is not known. */
  readonly wayTo: (address: string) => string | undefined;
}

/** Where a packet is sent on to; without a port it keeps its own. */
export interface Destination {
  readonly address: string;
  readonly port: number | undefined;
}

/** nf_tables follows at most 16 jumps. */
const DEEPEST = 16;

const FALLS: Ending = { verdict: { kind: 'return' }, rule: undefined };

/** One packet's way through the chains of one table. */
class Walk {
  /** Rules that hide the packet from conntrack, and whether it surely meets them. */
  readonly untracked: { rule: Rule; sure: boolean }[] = [];
  /** The first rule that may end it and is not understood. */
  doubt: Rule | undefined;
  readonly #packet: Packet;
  readonly #chains: ReadonlyMap<string, Chain>;
  readonly #known = new Map<Chain, readonly Ending[]>();

  constructor(packet: Packet, chains: ReadonlyMap<string, Chain>) {
    this.#packet = packet;
    this.#chains = chains;
  }

  /** All endings that are possible: it is certain when there is one. */
  endings(chain: Chain, sure: boolean, depth = 0): readonly Ending[] {
    const known = this.#known.get(chain);
    if (known !== undefined) return known;
    if (depth > DEEPEST) return [{ verdict: { kind: 'unknown' }, rule: undefined }];
    const found = new Map<string, Ending>();
    const add = (ending: Ending): void => {
      if (!found.has(ending.verdict.kind)) found.set(ending.verdict.kind, ending);
    };
    for (const rule of chain.rules) {
      const applies = rule.test(this.#packet);
      if (applies === false) continue;
      const before = found.size;
      const goesOn = this.#act(rule, sure && applies === true && before === 0, depth, add);
      if (applies === undefined && found.size > before) this.doubt ??= rule;
      if (applies === true && !goesOn) {
        this.#known.set(chain, [...found.values()]);
        return [...found.values()];
      }
    }
    add(FALLS);
    this.#known.set(chain, [...found.values()]);
    return [...found.values()];
  }

  /** Adds the endings that a rule brings; whether the packet may reach the rule after it. */
  #act(rule: Rule, sure: boolean, depth: number, add: (ending: Ending) => void): boolean {
    let goesOn = false;
    for (const verdict of rule.act(this.#packet)) {
      switch (verdict.kind) {
        case 'untrack':
          this.untracked.push({ rule, sure });
          goesOn = true;
          break;
        case 'next':
          goesOn = true;
          break;
        case 'unknown':
          this.doubt ??= rule;
          add({ verdict, rule });
          goesOn = true;
          break;
        case 'jump':
        case 'goto': {
          const target = this.#chains.get(verdict.chain);
          for (const ending of target === undefined ? [] : this.endings(target, sure, depth + 1)) {
            if (ending.verdict.kind === 'return' && verdict.kind === 'jump') goesOn = true;
            else add(ending);
          }
          break;
        }
        default:
          add({ verdict, rule });
      }
    }
    return goesOn;
  }
}

function sees({ table: { family } }: BaseChain, packet: Packet): boolean {
  return family === 'inet' || family === 'netdev' || (family === 'ip') === (packet.family === 4);
}

/** A journey under way. */
class Traveller {
  readonly stops: Stop[] = [];
  readonly doubts: Doubt[] = [];
  readonly untracked: { chain: BaseChain; rule: Rule }[] = [];
  packet: Packet;
  readonly #ruleset: Ruleset;

  constructor(ruleset: Ruleset, packet: Packet) {
    this.#ruleset = ruleset;
    this.packet = packet;
  }

  meet(hook: Hook): void {
    let translated = false;
    for (const chain of this.#ruleset.base) {
      if (chain.hook !== hook || !sees(chain, this.packet)) continue;
      // Translation is conntrack's: it happens once, to a flow's first packet.
      if (chain.nat && (translated || this.packet.state !== 'new')) continue;
      translated ||= this.#pass(chain) === 'translate';
    }
  }

  #pass(chain: BaseChain): Verdict['kind'] | undefined {
    const walk = new Walk(this.packet, chain.table.chains);
    const endings = walk
      .endings(chain, true)
      .map(({ verdict, rule }): Ending =>
        verdict.kind === 'return' ? { verdict: { kind: chain.policy }, rule } : { verdict, rule },
      );
    this.untracked.push(...walk.untracked.map(({ rule }) => ({ chain, rule })));
    if (walk.untracked.some(({ sure }) => sure)) this.packet = { ...this.packet, state: 'untracked' };
    const [first] = endings;
    const alike = new Set(endings.map(({ verdict: { kind } }) => (kind === 'reject' ? 'drop' : kind)));
    if (first === undefined || alike.size > 1 || alike.has('unknown')) {
      this.doubts.push({ chain, rule: walk.doubt });
      return undefined;
    }
    const { verdict, rule } = first;
    if (verdict.kind === 'drop' || verdict.kind === 'reject') this.stops.push({ chain, rule, verdict: verdict.kind });
    if (verdict.kind === 'translate') this.translate(verdict.address, verdict.port);
    return verdict.kind;
  }

  translate(address: string | undefined, port: number | undefined): void {
    const { destination, destinationPort } = this.packet;
    this.packet = {
      ...this.packet,
      ...{ destination: address ?? destination, destinationPort: port ?? destinationPort, translated: true },
    };
  }
}

/**
 * Sends a packet through.
 *
 * @param forward - where Postern's own rules, which this ruleset need not hold, send it on to
 */
export function simulate(ruleset: Ruleset, packet: Packet, host: HostView, forward?: Destination): Journey {
  const traveller = new Traveller(ruleset, packet);
  if (packet.input === undefined) {
    traveller.meet('output');
    traveller.meet('postrouting');
  } else {
    traveller.meet('ingress');
    traveller.meet('prerouting');
    if (forward !== undefined) traveller.translate(forward.address, forward.port);
    const { destination } = traveller.packet;
    const stays = destination === undefined || host.isLocal(destination);
    if (!stays) traveller.packet = { ...traveller.packet, output: host.wayTo(destination) };
    traveller.meet(stays ? 'input' : 'forward');
    if (!stays) traveller.meet('postrouting');
  }
  const { stops, doubts, untracked } = traveller;
  return {
    verdict: stops[0]?.verdict ?? (doubts.length > 0 ? 'unknown' : 'accept'),
    ...{ stops, doubts, untracked },
    packet: traveller.packet,
  };
}
