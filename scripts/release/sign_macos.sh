#!/usr/bin/env bash
# Signs executables on a Mac: with a Developer ID and Apple's notarisation if the variables hold one, ad hoc otherwise.
# Use: sign_macos.sh FILE…   Variables: CERTIFICATE, CERTIFICATE_PASSWORD, IDENTITY, NOTARY_KEY, NOTARY_KEY_ID, NOTARY_ISSUER
set -euo pipefail
[ "$#" -gt 0 ] || { echo "usage: sign_macos.sh FILE…" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
chmod +x "$@"

if [ -z "${CERTIFICATE:-}" ]; then
  echo "no certificate: the signature is ad hoc"
  codesign --force --sign - "$@"
  codesign --verify --strict --verbose=2 "$@"
  exit 0
fi
for name in CERTIFICATE_PASSWORD IDENTITY NOTARY_KEY NOTARY_KEY_ID NOTARY_ISSUER; do
  [ -n "${!name:-}" ] || { echo "$name is not set, although there is a certificate" >&2; exit 1; }
done

work=$(mktemp -d)
keychain=$work/signing.keychain-db
# The keychain and the keys end with this script, whatever happens.
trap 'security delete-keychain "$keychain" 2>/dev/null || true; rm -rf "$work"' EXIT
password=$(openssl rand -hex 24)
printf %s "$CERTIFICATE" | base64 --decode >"$work/certificate.p12"
printf %s "$NOTARY_KEY" | base64 --decode >"$work/notary.p8"
security create-keychain -p "$password" "$keychain"
security unlock-keychain -p "$password" "$keychain"
security import "$work/certificate.p12" -k "$keychain" -P "$CERTIFICATE_PASSWORD" -T /usr/bin/codesign
security set-key-partition-list -S apple-tool:,apple: -s -k "$password" "$keychain" >/dev/null
# codesign looks for the identity in the list of keychains.
security list-keychains -d user -s "$keychain" $(security list-keychains -d user | tr -d '"')

codesign --force --timestamp --options runtime --entitlements "$here/entitlements.plist" \
  --keychain "$keychain" --sign "$IDENTITY" "$@"
codesign --verify --strict --verbose=2 "$@"
# A ticket cannot be stapled to a bare executable: Gatekeeper asks Apple for it at the first start.
for file in "$@"; do
  ditto -c -k "$file" "$work/upload.zip"
  xcrun notarytool submit "$work/upload.zip" --wait --timeout 30m \
    --key "$work/notary.p8" --key-id "$NOTARY_KEY_ID" --issuer "$NOTARY_ISSUER" | tee "$work/answer"
  # notarytool ends with 0 for a refusal, too.
  grep -q "status: Accepted" "$work/answer"
done
