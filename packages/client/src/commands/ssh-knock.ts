import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import { hostName } from '../host.ts';
import { callingSsh, needsNoKnock } from '../ssh-caller.ts';

/**
 * `postern knock --for-ssh`, as ssh calls it. Quick where ssh has no use for a knock, over the family that ssh will use, and in vain it is one
 * line: ssh goes on and says what becomes of it.
 */
export async function runKnockForSsh(
  parsed: Parsed,
  io: Io,
  knock: (parsed: Parsed, io: Io) => Promise<number>,
): Promise<number> {
  const typed = parsed.arguments['host'] ?? '';
  const caller = callingSsh();
  if (needsNoKnock(hostName(typed) ?? typed, caller)) return EXIT.ok;
  const flags = new Set([...parsed.flags, 'quiet']);
  if (caller?.family !== undefined && !flags.has('ipv4') && !flags.has('ipv6')) flags.add(`ipv${caller.family}`);
  try {
    return await knock({ ...parsed, flags }, io);
  } catch (error) {
    if (!(error instanceof PersonError)) throw error;
    io.err(inOneLine(error, typed));
    return error.exitCode;
  }
}

/** An error without its hints, and where they are to be had. */
export function inOneLine({ message }: PersonError, host: string): string {
  return `postern: error: ${message}; ssh tries all the same (\`postern knock ${host}\` says what this can mean)`;
}
