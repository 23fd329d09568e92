/** Makes certificate authorities and server certificates in memory, for tests of TLS. */
// @peculiar/x509 does not load without this polyfill.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { X509Certificate } from "node:crypto";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 60 * 60 * 1000;

/** What a TLS server shows, in PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
  /** SHA-256, upper-case hex pairs joined by colons. */
  readonly fingerprint: string;
}

export interface IdentityOptions {
  /** DNS names and IPv4 addresses; 127.0.0.1 and localhost where left out. */
  readonly names?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface Authority {
  /** The CA's own certificate in PEM. */
  readonly pem: string;
  issue(options?: IdentityOptions): Promise<Identity>;
}

function alternativeNames(names: readonly string[]): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension(
    names.map((value) => ({ type: /^[\d.]+$/.test(value) ? "ip" as const : "dns" as const, value })),
  );
}

async function identity(certificate: x509.X509Certificate, keys: CryptoKeyPair): Promise<Identity> {
  const cert = certificate.toString("pem");
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { key, cert, fingerprint: new X509Certificate(cert).fingerprint256 };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

function validity({ notBefore, notAfter }: IdentityOptions): { notBefore: Date; notAfter: Date } {
  return { notBefore: notBefore ?? new Date(Date.now() - day), notAfter: notAfter ?? new Date(Date.now() + day) };
}

/** A CA like the one that a PVE cluster makes for itself. */
export async function createAuthority(name = "Test CA"): Promise<Authority> {
  const keys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 1000 * day),
    notAfter: new Date(Date.now() + 1000 * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    pem: ca.toString("pem"),
    async issue(options = {}) {
      const names = options.names ?? ["localhost", "127.0.0.1"];
      const ownKeys = await newKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: "02",
        subject: `CN=${names[0]}`,
        issuer: ca.subject,
        ...validity(options),
        signingAlgorithm: algorithm,
        publicKey: ownKeys.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          alternativeNames(names),
          await x509.AuthorityKeyIdentifierExtension.create(ca),
        ],
      });
      return identity(certificate, ownKeys);
    },
  };
}

/** A server certificate that vouches for itself. */
export async function selfSigned(options: IdentityOptions = {}): Promise<Identity> {
  const names = options.names ?? ["localhost", "127.0.0.1"];
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "03",
    name: `CN=${names[0]}`,
    ...validity(options),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(false), alternativeNames(names)],
  });
  return identity(certificate, keys);
}
