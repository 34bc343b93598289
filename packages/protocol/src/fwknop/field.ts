/** What the single fields of an fwknop message may hold; the same for who writes and who reads. */

/** Exactly 16 digits. */
export const RANDOM: RegExp = /^[0-9]{16}$/;
/** 1 to 48 printable ASCII characters but those that fwknop forbids. */
export const USER: RegExp = /^[ !#-)\-.0-9@-Z^-{}~]{1,48}$/;
/** 1 to 8 printable ASCII characters but the colon; nobody looks at them. */
export const VERSION: RegExp = /^[ -9;-~]{1,8}$/;
/** 1 to 70 printable ASCII characters but those that fwknop forbids, and the comma that ends it. */
export const HOST: RegExp = /^(?:(?![,/?"'\\])[!-~]){1,70}$/;

/** Whether `port` is one. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 0xffff;
}

/** Whether `seconds` is a whole number from 0 to `most`. */
export function isSeconds(seconds: number, most: number): boolean {
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= most;
}

/** Whether `text` is some, all of it Unicode and, but for tabs, to be seen. */
export function isText(text: string): boolean {
  return text.isWellFormed() && !/^$|[\0-\x08\n-\x1f\x7f-\x9f\ufffd]/.test(text);
}
