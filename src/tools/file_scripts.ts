/** The two shell programs that move a file inside a guest; the demo's guests know them by the name in their first line. */

/**
 * Takes a part of a file on its input, and puts the file into place with the last one. Arguments: the part's path, the
 * file's, mode, owner, 1 to replace what is there, 1 to make folders, sha256, where the old file is kept, 1 for the first
 * part, 1 for the last. Nothing is seen under the file's name before it is whole and right; a link there is replaced, not
 * followed.
 */
export const PUSH = `# proxmox-mcp: push
set -u
part=$1 file=$2 mode=$3 owner=$4 over=$5 parents=$6 sum=$7 kept=$8 first=$9 last=\${10}
fail() { rm -f -- "$part"; echo "$1" >&2; exit "$2"; }
folder=\${file%/*}
[ -n "$folder" ] || folder=/
if [ "$first" = 1 ]; then
  if [ ! -d "$folder" ]; then
    [ "$parents" = 1 ] || fail "$folder" 41
    mkdir -p -- "$folder" || fail "cannot make $folder" 45
  fi
  [ ! -d "$file" ] || fail "$file" 42
  if [ "$over" != 1 ] && { [ -e "$file" ] || [ -L "$file" ]; }; then fail "$file" 43; fi
  (umask 077; set -C; : > "$part") || fail "cannot write in $folder" 45
fi
cat >> "$part" || fail "cannot write $part" 45
[ "$last" = 1 ] || exit 0
real=$(sha256sum < "$part") || fail "cannot read $part again" 45
[ "\${real%% *}" = "$sum" ] || fail "checksum" 44
[ ! -d "$file" ] || fail "$file" 42
if [ -e "$file" ] || [ -L "$file" ]; then
  [ "$over" = 1 ] || fail "$file" 43
  [ -n "$mode" ] || mode=$(stat -L -c %a -- "$file" 2>/dev/null)
  [ -n "$owner" ] || owner=$(stat -L -c %u:%g -- "$file" 2>/dev/null)
fi
chown "\${owner:-0:0}" "$part" 2>/dev/null || [ -z "$owner" ] || fail "cannot give it to $owner" 45
chmod "\${mode:-644}" "$part" || fail "cannot set its mode to $mode" 45
if [ -e "$file" ] || [ -L "$file" ]; then
  if [ -e "$kept" ]; then fail "$kept is there already" 45; fi
  ln -- "$file" "$kept" 2>/dev/null || cp -pP -- "$file" "$kept" || fail "cannot keep the old file" 45
  mv -f -- "$part" "$file" || fail "cannot put it into place" 45
  echo kept
elif ln -- "$part" "$file" 2>/dev/null; then rm -f -- "$part"
elif [ -e "$file" ] || [ -L "$file" ]; then fail "$file" 43
else mv -f -- "$part" "$file" || fail "cannot put it into place" 45
fi`;

/** Puts out "SIZE MODE OWNER SHA256", then the file. Arguments: its path, the most bytes, 1 for base64. */
export const PULL = `# proxmox-mcp: pull
set -u
[ -e "$1" ] || { [ -L "$1" ] && exit 55; exit 51; }
[ -f "$1" ] || exit 52
size=$(wc -c < "$1") || exit 54
size=$((size))
[ "$size" -le "$2" ] || { echo "$size"; exit 53; }
sum=$(sha256sum < "$1") || exit 54
echo "$size $(stat -L -c '%a %U:%G' -- "$1") \${sum%% *}"
if [ "$3" = 1 ]; then base64 < "$1"; else cat < "$1"; fi`;

/** Takes away what a broken transfer has left: only the part, whose name this server has made up. */
export const DROP = `# proxmox-mcp: drop
rm -f -- "$1"`;
