//! JSON-RPC 1.0 messages: requests, notifications and responses, as values.

use serde_json::{Value, json};

/// What one side says to the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants a response that carries the same id.
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    /// Wants none.
    Notification { method: String, params: Value },
    /// `Err` is what the peer gave as its error, in any form.
    Response {
        id: Value,
        result: Result<Value, Value>,
    },
}

/// JSON that is no message of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the peer sent a JSON object that is neither request nor response: {0}; expected are 'method', 'params' and \
     'id', or 'result', 'error' and 'id'"
)]
pub struct MessageError(String);

impl Message {
    /// Reads one.
    ///
    /// # Errors
    /// An object without the members of either kind.
    pub fn from_json(value: Value) -> Result<Self, MessageError> {
        let refuse = |value: &Value| MessageError(excerpt(&value.to_string()));
        let Value::Object(mut members) = value else {
            return Err(refuse(&value));
        };
        let id = members.remove("id").unwrap_or(Value::Null);
        let refuse_members = |members: &serde_json::Map<String, Value>| {
            MessageError(excerpt(&Value::Object(members.clone()).to_string()))
        };
        match members.remove("method") {
            Some(Value::String(method)) => {
                let Some(params @ Value::Array(_)) = members.remove("params") else {
                    return Err(refuse_members(&members));
                };
                Ok(if id.is_null() {
                    Self::Notification { method, params }
                } else {
                    Self::Request { id, method, params }
                })
            }
            Some(Value::Null) | None if !id.is_null() => {
                match (members.remove("result"), members.remove("error")) {
                    (Some(Value::Null) | None, Some(error)) if !error.is_null() => {
                        Ok(Self::Response {
                            id,
                            result: Err(error),
                        })
                    }
                    (Some(result), Some(Value::Null) | None) => Ok(Self::Response {
                        id,
                        result: Ok(result),
                    }),
                    _ => Err(refuse_members(&members)),
                }
            }
            _ => Err(refuse_members(&members)),
        }
    }

    /// Its JSON.
    pub fn into_json(self) -> Value {
        match self {
            Self::Request { id, method, params } => {
                json!({"method": method, "params": params, "id": id})
            }
            Self::Notification { method, params } => {
                json!({"method": method, "params": params, "id": null})
            }
            Self::Response {
                id,
                result: Ok(result),
            } => json!({"result": result, "error": null, "id": id}),
            Self::Response {
                id,
                result: Err(error),
            } => json!({"result": null, "error": error, "id": id}),
        }
    }
}

/// The beginning of what a peer said, for a message that complains of it.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 200;
    let mut characters = text.chars();
    let mut beginning: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        beginning.push('…');
    }
    beginning
}
