/** Certificates like those a PVE cluster makes for itself: a CA, and one leaf per node signed by it. */
// @peculiar/x509 does not load without this polyfill.
import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY = 86_400_000;

/** What the simulator's server shows, in PEM. */
export interface Certificates {
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
  /** SHA-256 of the leaf, upper-case hex pairs joined by colons. */
  readonly fingerprint: string;
}

function serial(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => (byte & 0x7f).toString(16).padStart(2, "0")).join(
    "",
  );
}

/** A fresh CA and a leaf for these names; addresses are told by their digits. */
export async function createCertificates(names: readonly string[]): Promise<Certificates> {
  const notBefore = new Date(Date.now() - DAY);
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: "CN=Proxmox Virtual Environment, OU=simulator, O=PVE Cluster Manager CA",
    notBefore,
    notAfter: new Date(Date.now() + 3650 * DAY),
    signingAlgorithm: ALGORITHM,
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: "CN=pve1.lan, OU=PVE Cluster Node, O=Proxmox Virtual Environment",
    issuer: ca.subject,
    notBefore,
    notAfter: new Date(Date.now() + 730 * DAY),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[\d.]+$/.test(value) ? "ip" as const : "dns" as const, value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
    ],
  });
  const cert = leaf.toString("pem");
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { ca: ca.toString("pem"), key, cert, fingerprint: new X509Certificate(cert).fingerprint256 };
}
