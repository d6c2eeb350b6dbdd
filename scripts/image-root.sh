#!/bin/sh
# Collects programs, and the libraries they load, into a folder that becomes the root of an image without a shell or a
# package manager: image-root.sh FOLDER FILE-OR-FOLDER...
set -eu

root=$1
shift
mkdir -p "$root/etc" "$root/tmp"
chmod 1777 "$root/tmp"

for path in "$@"; do
  cp --recursive --dereference --parents "$path" "$root"
  find -L "$path" -type f | while read -r file; do
    # "name => /path (address)" or "/path (address)"; nothing for what is no program.
    ldd "$file" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (.*|\1|p'
  done
done | sort -u | while read -r library; do
  cp --dereference --parents "$library" "$root"
done

# Names are looked up as everywhere else; users have names for those who look at processes.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/nonexistent\nmesh:x:15777:15777:mesh:/:/nonexistent\noperator:x:15778:15778:operator:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nmesh:x:15777:\noperator:x:15778:\n' >"$root/etc/group"
