//! What an address is, and whether it may be dialled. Pure.

use ipnet::IpNet;
use std::fmt::{Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, by the registries of special-purpose addresses (RFC 6890 and what came after it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// Anybody's, on the internet.
    Public,
    /// Of a private network (RFC 1918).
    Private,
    /// Of a private network, in IPv6 (RFC 4193).
    UniqueLocal,
    /// This machine.
    Loopback,
    /// Of the same link only.
    LinkLocal,
    /// Behind a provider's address translation (RFC 6598).
    SharedNat,
    /// Where a cloud hands credentials to whoever asks from within. Never dialled.
    Metadata,
    /// Several at once. Never dialled.
    Multicast,
    /// Everybody on the link. Never dialled.
    Broadcast,
    /// None, which some systems take for this machine. Never dialled.
    Unspecified,
    /// For measurements between networks.
    Benchmarking,
    /// For documentation, for the future, or for protocols.
    Reserved,
    /// Hides another address in a way that cannot be judged from here (Teredo, ISATAP, local NAT64). Never dialled.
    Tunnel,
}

/// Where clouds hand out credentials, and what they use to talk to their machines.
const METADATA: &[IpAddr] = &[
    // AWS, GCP, Azure, OpenStack, DigitalOcean, Hetzner
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS: tasks, pods
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Tencent
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    // Alibaba
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS: machines, pods
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // GCP
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // OpenStack
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

impl AddressClass {
    /// The class of an address; of the one within, where one is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match innermost(address) {
            inner if METADATA.contains(&inner) => Self::Metadata,
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0, ..] => Self::Unspecified,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [100, 64..=127, ..] => Self::SharedNat,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [198, 18..=19, ..] => Self::Benchmarking,
            // Protocols, documentation three times, and the relays of 6to4.
            [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => Self::Reserved,
            [224..=239, ..] => Self::Multicast,
            [255, 255, 255, 255] => Self::Broadcast,
            [240..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Unspecified,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // Teredo; NAT64 with a local prefix, whose length nobody knows; ISATAP.
            [0x2001, 0, ..] | [0x64, 0xff9b, 1, ..] => Self::Tunnel,
            [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Self::Tunnel,
            [0x2001, 2, 0, ..] => Self::Benchmarking,
            // Protocols, and documentation twice.
            [0x2001, ..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..=0xfff, ..] => Self::Reserved,
            [0xfc00..=0xfdff, ..] => Self::UniqueLocal,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xff00..=0xffff, ..] => Self::Multicast,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }

    /// In words, with an article.
    const fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private | Self::UniqueLocal => "a private address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::SharedNat => "an address behind a provider's address translation",
            Self::Metadata => "a cloud's metadata address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Unspecified => "an unspecified address",
            Self::Benchmarking => "a benchmarking address",
            Self::Reserved => "a reserved address",
            Self::Tunnel => "the address of a tunnel",
        }
    }
}

impl Display for AddressClass {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.words())
    }
}

/// The address that another one carries within, and that is reached in the end: IPv4 in IPv6 (mapped, NAT64, 6to4).
fn innermost(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match outer.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        _ => address,
    }
}

/// An address that may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is {class}, which is not granted")]
pub struct Refusal {
    /// The address as it was found.
    pub address: IpAddr,
    /// What it is.
    pub class: AddressClass,
}

impl Refusal {
    /// The word for [`Addresses::parse`] that would let it be dialled; none where nothing does.
    #[must_use]
    pub fn word(&self) -> Option<String> {
        let word = match self.class {
            AddressClass::Public => "public".into(),
            AddressClass::Private | AddressClass::UniqueLocal => "private".into(),
            AddressClass::Loopback => "loopback".into(),
            _ => self.address.to_string(),
        };
        let addresses = Addresses::parse(std::slice::from_ref(&word)).ok()?;
        addresses.allows(self.address).is_ok().then_some(word)
    }
}

/// A word that names no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no addresses: use `public`, `private`, `loopback` or a network such as `10.20.0.0/16`")]
pub struct AddressesError(pub String);

/// Which addresses may be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    public: bool,
    private: bool,
    loopback: bool,
    networks: Vec<IpNet>,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { public: true, private: false, loopback: false, networks: vec![] }
    }
}

impl Addresses {
    /// From the words of a grant: `public`, `private` (with IPv6's unique local ones), `loopback`, or a network in CIDR
    /// notation, or one address. No word at all is `public`.
    ///
    /// # Errors
    /// The first word that is none of these.
    pub fn parse(words: &[String]) -> Result<Self, AddressesError> {
        if words.is_empty() {
            return Ok(Self::default());
        }
        let mut addresses = Self { public: false, ..Self::default() };
        for word in words {
            match word.as_str() {
                "public" => addresses.public = true,
                "private" => addresses.private = true,
                "loopback" => addresses.loopback = true,
                network => {
                    let single = || network.parse().map(IpAddr::into);
                    let network = network.parse().or_else(|_| single()).map_err(|_| AddressesError(word.clone()))?;
                    addresses.networks.push(network);
                }
            }
        }
        Ok(addresses)
    }

    /// Whether an address may be dialled.
    ///
    /// # Errors
    /// With its class, where it may not.
    pub fn allows(&self, address: IpAddr) -> Result<(), Refusal> {
        let class = AddressClass::of(address);
        let named = || {
            let inner = innermost(address);
            self.networks.iter().any(|network| network.contains(&address) || network.contains(&inner))
        };
        let allowed = match class {
            AddressClass::Metadata
            | AddressClass::Multicast
            | AddressClass::Broadcast
            | AddressClass::Unspecified
            | AddressClass::Tunnel => false,
            AddressClass::Public => self.public || named(),
            AddressClass::Private | AddressClass::UniqueLocal => self.private || named(),
            AddressClass::Loopback => self.loopback || named(),
            AddressClass::LinkLocal | AddressClass::SharedNat | AddressClass::Benchmarking | AddressClass::Reserved => {
                named()
            }
        };
        if allowed { Ok(()) } else { Err(Refusal { address, class }) }
    }
}

#[cfg(test)]
mod tests {
    use super::AddressClass::{
        self, Benchmarking, Broadcast, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, SharedNat,
        Tunnel, UniqueLocal, Unspecified,
    };
    use super::{Addresses, AddressesError};
    use std::net::IpAddr;

    const TABLE: &[(&str, AddressClass)] = &[
        ("1.1.1.1", Public),
        ("8.8.8.8", Public),
        ("172.15.255.255", Public),
        ("172.32.0.0", Public),
        ("100.63.255.255", Public),
        ("100.128.0.0", Public),
        ("192.167.255.255", Public),
        ("198.17.255.255", Public),
        ("198.20.0.0", Public),
        ("223.255.255.255", Public),
        ("168.63.129.15", Public),
        ("0.0.0.0", Unspecified),
        ("0.1.2.3", Unspecified),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("192.168.1.1", Private),
        ("100.64.0.0", SharedNat),
        ("100.127.255.255", SharedNat),
        ("127.0.0.1", Loopback),
        ("127.255.255.255", Loopback),
        ("169.254.0.1", LinkLocal),
        ("169.254.169.253", LinkLocal),
        ("169.254.169.254", Metadata),
        ("169.254.170.2", Metadata),
        ("169.254.170.23", Metadata),
        ("100.100.100.200", Metadata),
        ("168.63.129.16", Metadata),
        ("192.0.0.192", Metadata),
        ("192.0.0.1", Reserved),
        ("192.0.2.1", Reserved),
        ("192.88.99.1", Reserved),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("198.18.0.0", Benchmarking),
        ("198.19.255.255", Benchmarking),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.254", Reserved),
        ("255.255.255.255", Broadcast),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::127.0.0.1", Reserved),
        ("2606:4700:4700::1111", Public),
        ("2a00::1", Public),
        ("fc00::1", UniqueLocal),
        ("fdff::1", UniqueLocal),
        ("fd00:ec2::254", Metadata),
        ("fd00:ec2::23", Metadata),
        ("fd20:ce::254", Metadata),
        ("fe80::1", LinkLocal),
        ("febf::1", LinkLocal),
        ("fe80::a9fe:a9fe", Metadata),
        ("fec0::1", Reserved),
        ("ff02::1", Multicast),
        ("2001:db8::1", Reserved),
        ("3fff::1", Reserved),
        ("3fff:1000::1", Public),
        ("2001:2::1", Benchmarking),
        ("2001:20::1", Reserved),
        ("2001:200::1", Public),
        ("100::1", Reserved),
        ("5f00::1", Reserved),
        // An address within an address.
        ("::ffff:8.8.8.8", Public),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:10.0.0.1", Private),
        ("::ffff:169.254.169.254", Metadata),
        ("64:ff9b::8.8.8.8", Public),
        ("64:ff9b::7f00:1", Loopback),
        ("64:ff9b::a9fe:a9fe", Metadata),
        ("64:ff9b:1::8.8.8.8", Tunnel),
        ("2002:808:808::1", Public),
        ("2002:7f00:1::1", Loopback),
        ("2002:a9fe:a9fe::1", Metadata),
        ("2002:c0a8:101::1", Private),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Tunnel),
        ("2600::5efe:127.0.0.1", Tunnel),
    ];

    fn addresses(words: &[&str]) -> Addresses {
        Addresses::parse(&words.iter().map(|word| (*word).into()).collect::<Vec<_>>()).expect("words")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn every_address_has_its_class() {
        for (text, class) in TABLE {
            assert_eq!(AddressClass::of(address(text)), *class, "{text}");
        }
    }

    #[test]
    fn each_word_grants_its_classes_and_no_others() {
        let table: &[(&[&str], &[AddressClass])] = &[
            (&[], &[Public]),
            (&["public"], &[Public]),
            (&["private"], &[Private, UniqueLocal]),
            (&["loopback"], &[Loopback]),
            (&["public", "loopback"], &[Public, Loopback]),
            (
                &["0.0.0.0/0", "::/0"],
                &[Public, Private, UniqueLocal, Loopback, LinkLocal, SharedNat, Benchmarking, Reserved],
            ),
        ];
        for (words, granted) in table {
            let addresses = addresses(words);
            for (text, class) in TABLE {
                assert_eq!(addresses.allows(address(text)).is_ok(), granted.contains(class), "{words:?} and {text}");
            }
        }
    }

    #[test]
    fn a_network_grants_what_is_in_it() {
        let addresses = addresses(&["10.20.0.0/16", "169.254.0.0/16", "192.168.7.7"]);
        for text in ["10.20.1.1", "::ffff:10.20.1.1", "169.254.1.1", "192.168.7.7"] {
            assert_eq!(addresses.allows(address(text)), Ok(()), "{text}");
        }
        for text in ["10.21.0.1", "8.8.8.8", "169.254.169.254", "192.168.7.8"] {
            assert!(addresses.allows(address(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn refusals_and_unknown_words_are_told() {
        let refusal = Addresses::default().allows(address("10.0.0.1")).expect_err("private");
        assert_eq!(refusal.to_string(), "`10.0.0.1` is a private address, which is not granted");
        for word in ["", "everything", "10.0.0.0/33", "example.com"] {
            assert_eq!(Addresses::parse(&[word.into()]), Err(AddressesError(word.into())));
        }
    }
}
