import { readFileSync } from 'node:fs';

/** A user of the system. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Users of the text of /etc/passwd (passwd(5)) by name; lines that are none are passed over. The first of a name counts. */
export function parsePasswd(text: string): ReadonlyMap<string, SystemUser> {
  const users = new Map<string, SystemUser>();
  for (const line of text.split('\n')) {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    if (!/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid) || users.has(name)) continue;
    users.set(name, { name, uid: Number(uid), gid: Number(gid) });
  }
  return users;
}

/** Users of this system, from /etc/passwd; none if it cannot be read. */
export function systemUsers(file = '/etc/passwd'): ReadonlyMap<string, SystemUser> {
  try {
    return parsePasswd(readFileSync(file, 'utf8'));
  } catch {
    return new Map();
  }
}
