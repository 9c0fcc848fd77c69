use super::*;
use crate::frame::{PayloadFormat, TopicName};

fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

fn list(properties: &[Property<'_>]) -> PropertyList {
    let mut list = PropertyList::new();
    properties.iter().for_each(|property| list.push(*property));
    list
}

const ALIAS: Property<'static> = Property::TopicAlias(NonZeroU16::MIN);
const EXPIRY: Property<'static> = Property::MessageExpiryInterval(600);

#[test]
fn what_is_of_one_hop_is_left_out_when_passed_on() {
    let format = Property::PayloadFormatIndicator(PayloadFormat::Text);
    let name = TopicName::new(text("answers")).unwrap();
    let response = Property::ResponseTopic(name);
    let user = Property::UserProperty(text("n"), text("v"));
    let id = Property::SubscriptionIdentifier(SubscriptionIdentifier::new(300).unwrap());
    let check = |properties: &[Property<'_>], kept: &[Property<'_>], pieces: usize| {
        let list = list(properties);
        let expected = self::list(kept);
        for properties in [
            list.as_properties(),
            Properties::kept(list.as_properties().as_bytes()),
        ] {
            let forwarded: Vec<&[u8]> = properties.forwarded().collect();
            let whole = forwarded.concat();
            assert_eq!(whole, expected.as_properties().as_bytes());
            assert_eq!(forwarded.len(), pieces, "{properties:?}");
        }
    };
    check(&[], &[], 0);
    check(&[user, format, user], &[user, format, user], 1);
    check(&[ALIAS], &[], 0);
    check(&[EXPIRY, ALIAS, id], &[], 0);
    check(&[ALIAS, user, response], &[user, response], 1);
    check(&[user, response, EXPIRY], &[user, response], 1);
    check(&[user, ALIAS, response], &[user, response], 2);
    check(
        &[EXPIRY, user, ALIAS, id, response, format, EXPIRY, user],
        &[user, response, format, user],
        3,
    );
}

#[test]
fn a_kind_is_found_where_it_is() {
    let list = list(&[EXPIRY, Property::UserProperty(text("a"), text("b")), ALIAS]);
    let properties = list.as_properties();
    assert_eq!(properties.message_expiry_interval(), Some(600));
    assert_eq!(properties.topic_alias(), Some(NonZeroU16::MIN));
    assert_eq!(properties.receive_maximum(), None);
    assert_eq!(properties.user_properties().count(), 1);
    assert_eq!(properties.subscription_identifiers().count(), 0);
    assert_eq!(Properties::NONE.user_properties().count(), 0);
    // Of what was kept it is not known which there are; they are found all the same.
    let kept = Properties::kept(properties.as_bytes());
    assert_eq!(kept.topic_alias(), Some(NonZeroU16::MIN));
    assert_eq!(kept.receive_maximum(), None);
    assert_eq!(kept, properties);
}

#[test]
fn the_highest_quality_is_said_by_leaving_it_out() {
    let list = list(&[Property::MaximumQos(Qos::ExactlyOnce)]);
    assert!(list.as_properties().is_empty());
    let list = self::list(&[Property::MaximumQos(Qos::AtLeastOnce)]);
    let maximum = list.as_properties().maximum_qos();
    assert_eq!(maximum, Some(Qos::AtLeastOnce));
}

#[test]
fn a_list_can_be_used_again() {
    let mut list = list(&[EXPIRY]);
    list.clear();
    assert!(list.as_properties().is_empty());
    assert_eq!(list.as_properties().message_expiry_interval(), None);
}
