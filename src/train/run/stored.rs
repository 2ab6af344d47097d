//! Options as a file stores them: flat, those that every family shares beside its own.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

/// Options from what a file or a program stores: those that are not named are the defaults, names
/// that are not known are refused. `parse` is that of a value with all names.
pub(in crate::train) fn read<'de, D, O>(
    deserializer: D,
    parse: fn(Value) -> Result<O, serde_json::Error>,
) -> Result<O, D::Error>
where
    D: Deserializer<'de>,
    O: Default + Serialize,
{
    let Value::Object(given) = Value::deserialize(deserializer)? else {
        return Err(D::Error::custom("options are no JSON object"));
    };
    let mut all = serde_json::to_value(O::default()).map_err(D::Error::custom)?;
    for (key, value) in given {
        let Some(own) = all.get_mut(&key) else {
            let names = all.as_object().into_iter().flat_map(|all| all.keys());
            let names: Vec<&str> = names.map(String::as_str).collect();
            let known = names.join(", ");
            let message = format!("unknown option \"{key}\", expected one of {known}");
            return Err(D::Error::custom(message));
        };
        *own = value;
    }
    parse(all).map_err(D::Error::custom)
}

/// Stores options by [`read`]; the type derives both traits with `remote = "Self"`, or a type of
/// its own stands for it in files.
macro_rules! stored_flat {
    ($options:ty) => {
        stored_flat!(
            $options,
            |x, serializer| Self::serialize(x, serializer),
            |all| { Self::deserialize(all) }
        );
    };
    ($options:ty, as $stored:ty) => {
        stored_flat!(
            $options,
            |x, serializer| <$stored>::from(x).serialize(serializer),
            |all| <$stored>::deserialize(all).map(Self::from)
        );
    };
    ($options:ty, |$x:ident, $serializer:ident| $write:expr, |$all:ident| $parse:expr) => {
        impl AsRef<crate::train::Learning> for $options {
            fn as_ref(&self) -> &crate::train::Learning {
                &self.learning
            }
        }

        impl AsMut<crate::train::Learning> for $options {
            fn as_mut(&mut self) -> &mut crate::train::Learning {
                &mut self.learning
            }
        }

        impl serde::Serialize for $options {
            fn serialize<S: serde::Serializer>(
                &self,
                $serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                let $x = self;
                $write
            }
        }

        impl<'de> serde::Deserialize<'de> for $options {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                crate::train::run::stored::read(deserializer, |$all| $parse)
            }
        }
    };
}

pub(in crate::train) use stored_flat;
