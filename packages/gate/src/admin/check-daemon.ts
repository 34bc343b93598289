import { MICROS_PER_SECOND, type UnixMicros } from '@postern/protocol';
import type { Finding } from './finding.ts';
import { withConfig } from './options.ts';
import { count } from './wording.ts';

/** An invite that ends sooner is told of, in seconds: long enough to send another one. */
const SOON = 2 * 3600;

/** What only the running daemon knows, for `check` and `doctor`. */
export interface DaemonView {
  /** Path of posternd.toml. */
  readonly file: string;
  readonly now: UnixMicros;
  /** Invites that nobody has used. */
  readonly invites: readonly { readonly user: string; readonly expires: UnixMicros }[];
}

/** What the running daemon finds by itself; the commands look at the host. Pure. */
export function checkDaemon({ file, now, invites }: DaemonView): Finding[] {
  const ending = invites.filter(({ expires }) => expires > now && expires - now < SOON * MICROS_PER_SECOND);
  const users = [...new Set(ending.map(({ user }) => user))].sort();
  const [first] = users;
  if (first === undefined) return [];
  return [
    {
      severity: 'note',
      code: 'invite-expires',
      what: `${count(ending.length, 'invite')} that nobody has used ${ending.length === 1 ? 'ends' : 'end'} within ${SOON / 3600} hours: ${users.slice(0, 5).join(', ')}`,
      why: 'whoever has not joined by then needs another one',
      mend: `posternd invite ${first}${withConfig(file)}`,
    },
  ];
}
