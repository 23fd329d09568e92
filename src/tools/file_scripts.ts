/** The shell programs that move a file inside a guest; the demo's guests know them by the name in their first line. */

/**
 * Takes a part of a file on its input, and puts the file into place with the last one. Arguments: a folder to make for the
 * parts, the file's path, mode, owner, 1 to replace what is there, 1 to make folders, sha256, where the old file is kept, 1
 * for the first part, 1 for the last. Nothing is seen under the file's name before it is whole and right; a link there is
 * replaced, not followed.
 *
 * The file's folder may belong to somebody else in the guest, who changes it meanwhile. So everything happens inside a folder
 * of root's own (0700), which the shell stays in: nobody can put a link in the place of what is written, chowned or moved.
 */
export const PUSH = `# proxmox-mcp: push
set -u
stage=\${1##*/} file=$2 mode=$3 owner=$4 over=$5 parents=$6 sum=$7 kept=../\${8##*/} first=$9 last=\${10}
folder=\${file%/*} name=../\${file##*/} inside=0
[ -n "$folder" ] || folder=/
clear() { rm -f -- "./$stage"; cd .. && rmdir -- "$stage"; }
fail() { [ "$inside" = 0 ] || clear 2>/dev/null; echo "$1" >&2; exit "$2"; }
there() { [ -e "$name" ] || [ -L "$name" ]; }
look() {
  [ ! -d "$name" ] || fail "$file" 42
  if there; then
    [ "$over" = 1 ] || fail "$file" 43
    [ -f "$name" ] || [ -L "$name" ] || fail "$file" 46
  fi
}
if [ "$first" = 1 ] && [ ! -d "$folder" ]; then
  [ "$parents" = 1 ] || fail "$folder" 41
  mkdir -p -- "$folder" || fail "cannot make $folder" 45
fi
cd -P -- "$folder" || fail "cannot enter $folder" 45
umask 077
if [ "$first" = 1 ]; then mkdir -- "$stage" || fail "cannot write in $folder" 45; fi
cd -P -- "$stage" || fail "cannot enter $folder/$stage" 45
case $(pwd -P) in */"$stage") ;; *) fail "$folder/$stage is no longer what it was" 45 ;; esac
[ "$(stat -c %u .)" = "$(id -u)" ] || fail "$folder/$stage is no longer what it was" 45
inside=1
[ "$first" != 1 ] || look
cat >> "./$stage" || fail "cannot write in $folder" 45
[ "$last" = 1 ] || exit 0
real=$(sha256sum < "./$stage") || fail "cannot read what was written in $folder" 45
[ "\${real%% *}" = "$sum" ] || fail "checksum" 44
look
if [ -f "$name" ] && [ ! -L "$name" ]; then
  [ -n "$mode" ] || mode=$(stat -c %a -- "$name" 2>/dev/null)
  [ -n "$owner" ] || owner=$(stat -c %u:%g -- "$name" 2>/dev/null)
fi
chown "\${owner:-0:0}" "./$stage" 2>/dev/null || [ -z "$owner" ] || fail "cannot give it to $owner" 45
chmod "\${mode:-644}" "./$stage" || fail "cannot set its mode to $mode" 45
if there; then
  if [ -e "$kept" ] || [ -L "$kept" ]; then fail "$kept is there already" 45; fi
  ln -- "$name" "$kept" 2>/dev/null || cp -pP -- "$name" "$kept" || fail "cannot keep the old file" 45
  mv -fT -- "./$stage" "$name" 2>/dev/null || { look; mv -f -- "./$stage" "$name"; } || fail "cannot put it into place" 45
  echo kept
elif ln -n -- "./$stage" "$name" 2>/dev/null; then :
elif there; then fail "$file" 43
else mv -f -- "./$stage" "$name" || fail "cannot put it into place" 45
fi
clear
exit 0`;

/**
 * Puts out "SIZE MODE OWNER SHA256", then the file. Arguments: its path, the most bytes, 1 for base64. What is added to the
 * file meanwhile is left out; what is changed in it shows in the checksum.
 */
export const PULL = `# proxmox-mcp: pull
set -u
[ -e "$1" ] || { [ -L "$1" ] && exit 55; exit 51; }
[ -f "$1" ] || exit 52
size=$(stat -L -c %s -- "$1") || exit 54
[ "$size" -le "$2" ] || { echo "$size"; exit 53; }
size=$(wc -c < "$1") || exit 54
size=$((size))
[ "$size" -le "$2" ] || { echo "$size"; exit 53; }
sum=$(head -c "$size" < "$1" | sha256sum) || exit 54
echo "$size $(stat -L -c '%a %U:%G' -- "$1") \${sum%% *}"
if [ "$3" = 1 ]; then head -c "$size" < "$1" | base64; else head -c "$size" < "$1"; fi`;

/** Takes away what a broken transfer has left: only the folder for its parts, whose name this server has made up. */
export const DROP = `# proxmox-mcp: drop
rm -f -- "$1/\${1##*/}"
rmdir -- "$1"`;
