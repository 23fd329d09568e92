/**
 * The program that runs on the PVE host for each command inside a guest, in Perl, which every PVE host has (pct and qm are
 * written in it). It takes VERB VMID DATA, and there are two shapes of what it starts, and no other.
 */

/**
 * It watches its own output: when the SSH channel is closed, or the connection is gone, it ends what it has started. sshd
 * does not, and neither does a signal over SSH (without a terminal). `timeout` gets its own process group, and kills all of
 * it; what it does not reach has put itself into another one on purpose.
 */
const supervise = String.raw`
sub refuse { print STDERR "proxmox-mcp: $_[0]\n"; exit 125 }
my $plain = MIME::Base64::decode_base64url($data);
my ($head, $rest) = split /\0/, $plain, 2;
my ($seconds, $input, $more, $node) = ($head // '') =~ /\A([1-9][0-9]{0,4}) ([01]) ([0-9]{1,7}) ([A-Za-z0-9-]{1,63})\z/
  or refuse('the data cannot be read');
# A link of PVE's to the node's own folder. In another cluster the number would be another guest's.
my ($here) = (readlink('/etc/pve/local') // '') =~ m{\Anodes/([A-Za-z0-9-]+)\z};
refuse("this host is the node $here, and the guest is on $node") if defined $here && lc $here ne lc $node;
while ($more > 0) {
  my $got = sysread(STDIN, my ($part), $more);
  refuse('the data ended early') unless $got;
  $rest .= $part;
  $more -= $got;
}
# All of it may be an argument: nothing here is made into a shell's line.
my @argv = map { /\A(.*)\z/s } split /\0/, $rest // '', -1;
refuse('there is no command') unless @argv && $argv[0] ne '';
my %shapes = (
  container => ['pct', 'exec', $vmid, '--keep-env', 0],
  vm => ['qm', 'guest', 'exec', $vmid, '--timeout', $seconds, '--pass-stdin', $input],
);
my ($tool, @shape) = @{ $shapes{$verb} };
$ENV{PATH} = ($ENV{PATH} // '') . ':/usr/sbin:/usr/bin:/sbin:/bin';
my ($path) = grep { -x } map { "$_/$tool" } grep { m{^/} } split /:/, $ENV{PATH};
refuse("there is no $tool on this host: it is not a PVE host") unless defined $path;
my $limit = $verb eq 'vm' ? $seconds + 5 : $seconds;
my $pid = fork;
refuse("cannot start a process: $!") unless defined $pid;
if ($pid == 0) {
  exec { 'timeout' } 'timeout', '-k', 5, $limit, $path, @shape, '--', @argv or refuse("cannot start timeout: $!");
}
$SIG{$_} = sub { kill 'TERM', $pid } for qw(TERM HUP INT PIPE);
$SIG{CHLD} = sub { };
while (waitpid($pid, 1) != $pid) {
  my ($fd, $state) = (1, 0);
  IO::Poll::_poll(100, $fd, $state);
  next unless $state & 24;
  kill 'TERM', $pid;
  waitpid $pid, 0;
  last;
}
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
`.trimStart();

/** What is sent along with each command, where the host has nothing installed. */
export const INLINE = `use strict;\nuse IO::Poll;\nmy ($verb, $vmid, $data) = @ARGV;\n${supervise}`;

/**
 * The same for authorized_keys: takes what was sent as text, and its last three words only where the whole is of the one
 * form. There is no eval in it, no shell, and no way to another program.
 */
export const FORCED = String.raw`#!/usr/bin/env -S PERL_BADLANG=0 /usr/bin/perl -T
# Lets a key of proxmox-mcp run commands inside the guests that are listed here, and nothing else.
#
# 1. Save it on the PVE host as /usr/local/sbin/proxmox-mcp-exec, and make it executable: chmod 755
# 2. List the guests below.
# 3. Put the public key into /root/.ssh/authorized_keys, in one line with:
#    restrict,command="/usr/local/sbin/proxmox-mcp-exec" ssh-ed25519 AAAA… proxmox-mcp
use strict;
use warnings;
use IO::Poll;
use MIME::Base64 ();

# The guests that may be entered; nothing else is run on this host.
my @GUESTS = qw();

$ENV{PATH} = join ":", qw(/usr/sbin /usr/bin /sbin /bin);
delete @ENV{qw(PERL5LIB PERL5OPT IFS CDPATH ENV BASH_ENV)};
my ($verb, $vmid, $data) = ($ENV{SSH_ORIGINAL_COMMAND} // '')
  =~ m{\A(?:[A-Za-z0-9_./=+ -]* )?(container|vm) ([1-9][0-9]{2,8}) ([A-Za-z0-9_-]+)\z}
  or refuse('only VERB VMID DATA is taken, as proxmox-mcp sends it');
refuse("guest $vmid is not in the list of this host's proxmox-mcp-exec") unless grep { $_ eq $vmid } @GUESTS;
${supervise}`;
