#!/bin/sh
# Collects programs, and the libraries they load, into a folder that becomes the root of an image without a shell or a
# package manager: image-root.sh FOLDER FILE-OR-FOLDER...
# The Debian packages that they are of are listed in FOLDER.packages, for the bill of materials: name, version, architecture.
set -eu

root=$1
shift
mkdir -p "$root/etc" "$root/tmp"
chmod 1777 "$root/tmp"

for path in "$@"; do
  cp --recursive --dereference --parents "$path" "$root"
  find -L "$path" -type f
done >"$root.files"

while read -r file; do
  # "name => /path (address)" or "/path (address)"; nothing for what is no program.
  ldd "$file" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (.*|\1|p' || true
done <"$root.files" | sort -u >"$root.libraries"
while read -r library; do
  cp --dereference --parents "$library" "$root"
done <"$root.libraries"

# /lib may be a link to /usr/lib, and Debian's lists have one of the two. Node is not a package of Debian.
sort -u "$root.files" "$root.libraries" | while read -r file; do
  case "$file" in */bin/node) continue ;; esac
  { dpkg-query --search "$file" || dpkg-query --search "/usr$file" || dpkg-query --search "${file#/usr}"; } 2>/dev/null |
    sed 's|: /.*||' | grep . || { echo "image-root: no Debian package has $file" >&2; exit 1; }
done >"$root.owners"
sort -u "$root.owners" | xargs --no-run-if-empty dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\n' |
  sort -u >"$root.packages"
rm "$root.files" "$root.libraries" "$root.owners"

# Names are looked up as everywhere else; users have names for those who look at processes.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/nonexistent\nmesh:x:15777:15777:mesh:/:/nonexistent\noperator:x:15778:15778:operator:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nmesh:x:15777:\noperator:x:15778:\n' >"$root/etc/group"
