/**
 * Whether `posternd confirm` may make a protection last. The person proves that they can come in again: by a connection to the
 * protected service that began after protecting did, or by sitting where no port can lock them out.
 */
import type { AncestryEvidence, TcpConnection } from './evidence.ts';

/** What the rule looks at, for one service. */
export interface ConfirmFacts {
  readonly evidence: AncestryEvidence;
  /** TCP ports of the service; only these count. Empty for a service of UDP ports only. */
  readonly ports: readonly number[];
  /** Established connections to these ports when protecting began. */
  readonly before: readonly TcpConnection[];
  /** Established connections to these ports now. */
  readonly now: readonly TcpConnection[];
  /** Addresses of this host, as text: who connects from one of them never passed the door. Loopback is known by itself. */
  readonly hostAddresses: ReadonlySet<string>;
  /** A grant for the service was made since protecting began; counts only where `ports` is empty. */
  readonly grantedSince: boolean;
}

/** Why a confirmation is allowed. */
export type ConfirmGround = 'new-connection' | 'console' | 'no-terminal' | 'somebody-came-in' | 'grant';

/** Why a confirmation is refused. */
export type ConfirmRefusal = 'old-connection' | 'local-connection' | 'nobody-came-in' | 'incomplete';

/** The decision. */
export type ConfirmDecision =
  { readonly allow: true; readonly ground: ConfirmGround } | { readonly allow: false; readonly reason: ConfirmRefusal };

/** What tells one connection from another. */
export function connectionKey(connection: TcpConnection): string {
  const { localAddress, localPort, remoteAddress, remotePort } = connection;
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** Whether a connection began on this host, past every door. */
export function fromThisHost(connection: TcpConnection, hostAddresses: ReadonlySet<string>): boolean {
  const { localAddress, remoteAddress } = connection;
  return (
    remoteAddress === localAddress ||
    remoteAddress === '::1' ||
    remoteAddress.startsWith('127.') ||
    hostAddresses.has(remoteAddress)
  );
}

/**
 * Decides one confirmation. In this order:
 * an own connection that was live when protecting began refuses; an own connection from outside that began later allows; a console
 * allows; no terminal allows, if all processes on the way could be read and none came through the port from this host itself; else
 * (tmux, screen, su over an own terminal …) somebody must have come in from outside since protecting began.
 */
export function mayConfirm(facts: ConfirmFacts): ConfirmDecision {
  const { evidence, ports, hostAddresses } = facts;
  const before = new Set(facts.before.map(connectionKey));
  const own = evidence.ancestors.flatMap((ancestor) =>
    ancestor.connections.filter((connection) => ports.includes(connection.localPort)),
  );
  const isNew = (connection: TcpConnection): boolean =>
    ports.includes(connection.localPort) &&
    !before.has(connectionKey(connection)) &&
    !fromThisHost(connection, hostAddresses);

  if (own.some((connection) => before.has(connectionKey(connection))))
    return { allow: false, reason: 'old-connection' };
  if (own.some(isNew)) return { allow: true, ground: 'new-connection' };
  if (own.length === 0) {
    if (evidence.terminal === 'console') return { allow: true, ground: 'console' };
    if (evidence.terminal === 'none' && evidence.complete) return { allow: true, ground: 'no-terminal' };
  }
  if (ports.length === 0 && facts.grantedSince) return { allow: true, ground: 'grant' };
  if (facts.now.some(isNew)) return { allow: true, ground: 'somebody-came-in' };
  if (own.length > 0) return { allow: false, reason: 'local-connection' };
  return { allow: false, reason: evidence.terminal === 'none' ? 'incomplete' : 'nobody-came-in' };
}

/** What a refusal means and what to do, for a PersonError. `service` is the service's name. */
export function explainRefusal(reason: ConfirmRefusal, service: string): { message: string; hint: string } {
  const again = `leave this session open, knock and connect to ${service} in a second one, and run \`posternd confirm\` there`;
  switch (reason) {
    case 'old-connection':
      return {
        message: `this session was open before ${service} was protected, so it does not show that you can come in again`,
        hint: again,
      };
    case 'local-connection':
      return {
        message: `this session came from this host itself, past the door of ${service}, so it shows nothing`,
        hint: again,
      };
    case 'nobody-came-in':
      return {
        message: `nobody has connected to ${service} from outside since it was protected`,
        hint: `${again}; inside tmux or screen, first open that second connection, then try again here`,
      };
    case 'incomplete':
      return {
        message: 'the processes that this command runs under could not be read, so its way in is unknown',
        hint: again,
      };
  }
}
