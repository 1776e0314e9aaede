// SHA-256 over the canonical encoding of `crates/common/src/digest.rs`: a domain first, then every field as its
// length (8 bytes, big-endian) and its bytes, every list as its count and its items.

const UTF8 = new TextEncoder();

/** Collects fields; the digest is over all of them. */
export class DigestBuilder {
  private readonly parts: Uint8Array[] = [];

  constructor(domain: string) {
    this.text(domain);
  }

  bytes(field: Uint8Array): this {
    this.number(field.length);
    this.parts.push(field);
    return this;
  }

  text(field: string): this {
    return this.bytes(UTF8.encode(field));
  }

  number(field: number): this {
    const encoded = new Uint8Array(8);
    new DataView(encoded.buffer).setBigUint64(0, BigInt(field));
    this.parts.push(encoded);
    return this;
  }

  /** A field that may be missing; missing differs from empty. */
  optional(field: Uint8Array | undefined): this {
    return field === undefined ? this.number(0) : this.number(1).bytes(field);
  }

  async finish(): Promise<Uint8Array> {
    const whole = new Uint8Array(this.parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  }
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
