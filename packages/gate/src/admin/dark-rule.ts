/**
 * Whether `posternd confirm` may keep a host dark. Stricter than `confirm-rule.ts`: everything but what is allowed closes, so the person's
 * own way in must be one that a grant opened, whatever port it uses.
 */
import { connectionKey, fromThisHost } from './confirm-rule.ts';
import type { AncestryEvidence, TcpConnection } from './evidence.ts';

/** What the rule looks at. */
export interface DarkFacts {
  readonly evidence: AncestryEvidence;
  /** TCP ports of services that only a grant opens. */
  readonly ports: readonly number[];
  /** Established connections to these ports when the trial began. */
  readonly before: readonly TcpConnection[];
  /** Established connections to these ports now. */
  readonly now: readonly TcpConnection[];
  /** Addresses of this host, as text. */
  readonly hostAddresses: ReadonlySet<string>;
  /** A grant was made, or lived, since the trial began. */
  readonly granted: boolean;
}

/** Why a host may not stay dark. */
export type DarkRefusal = 'old-connection' | 'other-way-in' | 'no-grant' | 'nobody-came-in' | 'incomplete';

/**
 * Decides one confirmation; undefined allows it. A session that came in through a service before the trial began shows nothing, one that
 * came in otherwise would be the last of its kind. A console is a way in that no firewall closes; no terminal counts where no process on
 * the way holds a connection at all.
 */
export function refuseDark(facts: DarkFacts): DarkRefusal | undefined {
  const { evidence, ports, hostAddresses, granted } = facts;
  const before = new Set(facts.before.map(connectionKey));
  const own = evidence.ancestors.flatMap((ancestor) => ancestor.connections);
  const served = own.filter((connection) => ports.includes(connection.localPort));
  const isNew = (connection: TcpConnection): boolean =>
    ports.includes(connection.localPort) &&
    !before.has(connectionKey(connection)) &&
    !fromThisHost(connection, hostAddresses);

  if (served.some((connection) => before.has(connectionKey(connection)))) return 'old-connection';
  if (served.some(isNew)) return granted ? undefined : 'no-grant';
  if (served.length === 0 && evidence.terminal === 'console') return undefined;
  if (own.length > 0) return 'other-way-in';
  if (evidence.terminal === 'none') return evidence.complete ? undefined : 'incomplete';
  // tmux, screen, su over an own terminal: somebody else's new session must show it. A service of UDP alone has no sessions to look at.
  return granted && (ports.length === 0 || facts.now.some(isNew)) ? undefined : 'nobody-came-in';
}

/** What a refusal means and what to do, for a PersonError. `services` are names of services that only a grant opens. */
export function explainDarkRefusal(
  reason: DarkRefusal,
  services: readonly string[],
): { readonly message: string; readonly hint: string } {
  const names = services.join(' or ');
  const again = `leave this session open, knock and connect to ${names} in a second one, and run \`posternd confirm\` there`;
  switch (reason) {
    case 'old-connection':
      return {
        message: 'this session was open before this host went dark, so it does not show that you can come in again',
        hint: again,
      };
    case 'other-way-in':
      return {
        message: `this session did not come in through a service that a knock opens (${names}), so it may be the last of its kind`,
        hint: `${again}; or confirm on a console`,
      };
    case 'no-grant':
      return { message: 'nothing was opened by a knock since this host went dark', hint: again };
    case 'nobody-came-in':
      return {
        message: `nobody has knocked and connected to ${names} from outside since this host went dark`,
        hint: `${again}; inside tmux or screen, first open that second connection, then try again here`,
      };
    case 'incomplete':
      return {
        message: 'the processes that this command runs under could not be read, so its way in is unknown',
        hint: again,
      };
  }
}
