# Features of STOMP as Net::Stomp uses them. Usage: cases.pl CASE VERSION HOST PORT
use strict;
use warnings;
use Net::Stomp;

my ( $case, $version, $host, $port ) = @ARGV;

# Never waited out when all is well.
alarm 60;

sub client {
    my $client = Net::Stomp->new( { hostname => $host, port => $port } );
    my $connected = $client->connect(
        { login => 'guest', passcode => 'guest', host => '/', 'accept-version' => $version } );
    die 'no CONNECTED but ' . $connected->as_string if $connected->command ne 'CONNECTED';
    same( $connected->headers->{version} // '1.0', $version );
    return $client;
}

sub same {
    my ( $found, $expected ) = @_;
    die "'$found' instead of '$expected'\n" if $found ne $expected;
    return;
}

sub place { return "/queue/net_stomp.$_[0].$version" }

# Sends and waits for the receipt.
sub put {
    my ( $client, %headers ) = @_;
    $client->send_with_receipt( \%headers ) or die 'no receipt';
    return;
}

my %cases = (
    sends_through_a_queue_and_a_topic => sub {
        for my $destination ( place('both'), "/topic/net_stomp.both.$version" ) {
            my $client = client();
            $client->subscribe( { destination => $destination, id => 1, ack => 'auto' } );
            $client->send( { destination => $destination, body => $_ } ) for 1 .. 20;
            same( $client->receive_frame->body, $_ ) for 1 .. 20;
            $client->disconnect;
        }
    },
    binary_bodies_stay => sub {
        my $client = client();
        my $body   = join q{}, map { chr } 0 .. 255;
        $client->subscribe( { destination => place('binary'), id => 1, ack => 'auto' } );
        $client->send( { destination => place('binary'), bytes_message => 1, body => $body } );
        same( $client->receive_frame->body, $body );
        $client->disconnect;
    },
    receipts_come => sub {
        my $client = client();
        put( $client, destination => place('receipts'), body => $_, persistent => 'true' )
            for 1 .. 20;
        $client->disconnect;
    },
    acks_settle => sub {
        my $client = client();
        put( $client, destination => place('acks'), body => $_ ) for 1 .. 3;
        $client->disconnect;
        my $first = client();
        $first->subscribe( { destination => place('acks'), id => 1, ack => 'client' } );
        my @frames = map { $first->receive_frame } 1 .. 3;
        # The library leaves what 1.1 and 1.2 ask for beside the message-id to its user.
        my %more = (
            '1.0' => {},
            '1.1' => { subscription => 1 },
            '1.2' => { id => $frames[1]->headers->{ack} },
        );
        $first->ack( { frame => $frames[1], %{ $more{$version} } } );
        $first->disconnect;
        my $second = client();
        $second->subscribe( { destination => place('acks'), id => 1, ack => 'auto' } );
        my $left = $second->receive_frame;
        same( $left->body,                        '3' );
        same( $left->headers->{redelivered} // q{}, 'true' );
        $second->disconnect;
    },
);

$cases{$case}->();
