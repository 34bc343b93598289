/** Sequences of classic doors as they are written: `tcp/7000,udp/8000,icmp`. */
import { type KnockProtocol, MOST_DOOR_STEPS } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';

/** One knock of a sequence. */
export interface SequenceStep {
  readonly protocol: KnockProtocol;
  /** 0 for an echo request. */
  readonly port: number;
}

/** Steps of a sequence, parted by commas, blanks or both. @throws PersonError */
export function parseSequence(text: string): SequenceStep[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length < 1 || words.length > MOST_DOOR_STEPS) {
    throw usage(`a sequence of 1 to ${MOST_DOOR_STEPS} knocks expected, ${words.length} came`);
  }
  return words.map((word, index) => {
    const step = parseStep(word);
    if (step === undefined)
      throw usage(`knock ${index + 1} of the sequence is not understood: ${JSON.stringify(word)}`);
    return step;
  });
}

/** `tcp/N`, `udp/N`, `icmp` or `icmpv6`; undefined for anything else. N: 1 to 65535. */
export function parseStep(word: string): SequenceStep | undefined {
  if (word === 'icmp' || word === 'icmpv6') return { protocol: word, port: 0 };
  const [, protocol, digits] = /^(tcp|udp)\/([0-9]{1,5})$/.exec(word) ?? [];
  const port = Number(digits);
  if ((protocol !== 'tcp' && protocol !== 'udp') || port < 1 || port > 65_535) return undefined;
  return { protocol, port };
}

/** The only family by which a sequence can be knocked: echo requests have one. @throws PersonError if there is none */
export function familyOfSequence(steps: readonly SequenceStep[], asked: 4 | 6 | undefined): 4 | 6 | undefined {
  const families = new Set(
    steps.flatMap(({ protocol }) => (protocol === 'icmp' ? [4 as const] : protocol === 'icmpv6' ? [6 as const] : [])),
  );
  if (asked !== undefined) families.add(asked);
  if (families.size > 1) throw usage('`icmp` goes by IPv4 and `icmpv6` by IPv6: a sequence is knocked by one of them');
  return [...families][0];
}

function usage(message: string): PersonError {
  return new PersonError(message, {
    hint: '`tcp/N`, `udp/N`, `icmp` or `icmpv6`, as the door has them: tcp/7000,udp/8000,icmp',
    exitCode: EXIT.usage,
  });
}
