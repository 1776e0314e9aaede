// The token of whoever is signed in. It stays in this tab and ends with it: never in an address, a cookie, or storage
// that outlives the tab. A later way to sign in puts its own session behind the same three functions.

const KEY = "countersign.token";

export function savedToken(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function saveToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

/** Whether it can be one: what is certainly none is not sent anywhere. */
export function looksLikeToken(text: string): boolean {
  return /^cst_[\x21-\x7e]+$/.test(text);
}
