//! `#[port]`: derives, beside an ordinary port trait, its calls as data.
//!
//! The trait is emitted exactly as it was written. Beside it the macro writes, once for every port
//! and for whatever wants to forward, record, transport, layer or mutate calls:
//!
//! - `<Trait>Call`, one variant a method, holding the arguments;
//! - `<Trait>Answer`, one variant a method, holding what it answers when it succeeds;
//! - `impl Port for dyn Trait`, which runs a call and turns a handler of calls back into the trait;
//! - the trait for `&T`, `Box<T>` and `Arc<T>`.

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemTrait, Lifetime, LitStr, Pat, PathArguments,
    ReturnType, TraitItem, TraitItemFn, Type, parse_macro_input, spanned::Spanned,
};

/// Derives calls as data from a port trait; see the documentation of `portproof_ports::port`.
///
/// Takes the port's name: `#[port("session")]`. It stands above `#[async_trait]`. Every method must
/// be `async fn name(&self, …) -> PortResult<Answer>`, with arguments that are owned values,
/// references or slices.
#[proc_macro_attribute]
pub fn port(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let name = parse_macro_input!(attribute as LitStr);
    let item = parse_macro_input!(item as ItemTrait);
    expand(&name, &item)
        .unwrap_or_else(|error| {
            let error = error.to_compile_error();
            quote!(#item #error)
        })
        .into()
}

/// How an argument is kept in a call and handed on from there.
struct Argument {
    name: Ident,
    /// As the method declares it.
    declared: Type,
    /// As the call keeps it.
    kept: Tokens,
    /// From the method's argument to what the call keeps.
    keep: Tokens,
    /// From what the call keeps to the method's argument.
    hand_on: Tokens,
}

struct Method {
    name: Ident,
    variant: Ident,
    arguments: Vec<Argument>,
    answer: Type,
}

fn expand(name: &LitStr, item: &ItemTrait) -> Result<Tokens, Error> {
    let methods = item
        .items
        .iter()
        .map(|item| match item {
            TraitItem::Fn(method) => read_method(method),
            other => Err(Error::new(other.span(), "a port holds methods only")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let data = calls_and_answers(item, &methods);
    let port = port_impl(name, item, &methods);
    let through = forwarding(item, &methods);
    Ok(quote!(#item #data #port #through))
}

fn read_method(method: &TraitItemFn) -> Result<Method, Error> {
    let signature = &method.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(signature.span(), "a port's methods are async"));
    }
    let mut arguments = Vec::new();
    for input in signature.inputs.iter().skip(1) {
        let FnArg::Typed(input) = input else {
            return Err(Error::new(input.span(), "expected an argument"));
        };
        let Pat::Ident(pattern) = input.pat.as_ref() else {
            return Err(Error::new(input.pat.span(), "expected a plain name"));
        };
        arguments.push(read_argument(pattern.ident.clone(), &input.ty));
    }
    Ok(Method {
        name: signature.ident.clone(),
        variant: camel_case(&signature.ident),
        arguments,
        answer: read_answer(&signature.output)?,
    })
}

fn read_argument(name: Ident, declared: &Type) -> Argument {
    let (kept, keep, hand_on) = match declared {
        Type::Reference(reference) => match reference.elem.as_ref() {
            Type::Slice(slice) => {
                let element = &slice.elem;
                (
                    quote!(::std::vec::Vec<#element>),
                    quote!(#name.to_vec()),
                    quote!(&#name),
                )
            }
            other => (quote!(#other), quote!(#name.clone()), quote!(&#name)),
        },
        other => (quote!(#other), quote!(#name), quote!(#name)),
    };
    Argument {
        name,
        declared: declared.clone(),
        kept,
        keep,
        hand_on,
    }
}

/// The `T` of `PortResult<T>`.
fn read_answer(output: &ReturnType) -> Result<Type, Error> {
    if let ReturnType::Type(_, output) = output
        && let Type::Path(path) = output.as_ref()
        && let Some(last) = path.path.segments.last()
        && last.ident == "PortResult"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(answer)) = arguments.args.first()
    {
        return Ok(answer.clone());
    }
    Err(Error::new(
        output.span(),
        "a port's methods answer PortResult<…>",
    ))
}

fn camel_case(name: &Ident) -> Ident {
    let camel: String = name
        .to_string()
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect();
    Ident::new(&camel, name.span())
}

fn call_name(item: &ItemTrait) -> Ident {
    format_ident!("{}Call", item.ident)
}

fn answer_name(item: &ItemTrait) -> Ident {
    format_ident!("{}Answer", item.ident)
}

fn calls_and_answers(item: &ItemTrait, methods: &[Method]) -> Tokens {
    let (visibility, port) = (&item.vis, &item.ident);
    let (call, answer) = (call_name(item), answer_name(item));
    let call_doc = format!("A call on [`{port}`], as data: one variant a method.");
    let answer_doc = format!("What a successful call on [`{port}`] answers.");
    let names: Vec<String> = methods.iter().map(|m| m.name.to_string()).collect();
    let variants: Vec<&Ident> = methods.iter().map(|m| &m.variant).collect();
    let answers = methods.iter().map(|m| &m.answer);
    let docs: Vec<String> = names
        .iter()
        .map(|name| format!("[`{port}::{name}`]."))
        .collect();
    let fields = methods.iter().map(|method| {
        let fields = method.arguments.iter().map(|argument| {
            let (name, kept) = (&argument.name, &argument.kept);
            let doc = format!("The argument `{name}`.");
            quote!(#[doc = #doc] #name: #kept)
        });
        quote!({ #(#fields),* })
    });
    let tenants = methods.iter().map(|m| argument_of(m, "TenantId"));
    let pages = methods.iter().map(|m| argument_of(m, "PageRequest"));
    let nexts = methods.iter().map(|method| {
        let variant = &method.variant;
        if is_named(&method.answer, "Page") {
            quote!(Self::#variant(page) => page.next.take())
        } else {
            quote!(Self::#variant(_) => ::std::option::Option::None)
        }
    });
    quote! {
        #[doc = #call_doc]
        #[derive(Clone, Debug, PartialEq, ::portproof_ports::serde::Serialize, ::portproof_ports::serde::Deserialize)]
        #[serde(crate = "::portproof_ports::serde", rename_all = "snake_case")]
        #visibility enum #call { #(#[doc = #docs] #variants #fields),* }

        #[doc = #answer_doc]
        #[derive(Clone, Debug, PartialEq, ::portproof_ports::serde::Serialize, ::portproof_ports::serde::Deserialize)]
        #[serde(crate = "::portproof_ports::serde", rename_all = "snake_case")]
        #visibility enum #answer { #(#[doc = #docs] #variants(#answers)),* }

        impl ::portproof_ports::PortCall for #call {
            type Answer = #answer;

            fn method(&self) -> &'static str {
                match self { #(Self::#variants { .. } => #names),* }
            }

            fn tenant_mut(&mut self) -> ::std::option::Option<&mut ::portproof_ports::TenantId> {
                match self { #(#tenants),* }
            }

            fn page_mut(&mut self) -> ::std::option::Option<&mut ::portproof_ports::PageRequest> {
                match self { #(#pages),* }
            }
        }

        impl ::portproof_ports::PortAnswer for #answer {
            fn take_next(&mut self) -> ::std::option::Option<::portproof_ports::Cursor> {
                match self { #(#nexts),* }
            }
        }
    }
}

/// The arm of a method that answers its argument of this type, if it has one.
fn argument_of(method: &Method, type_name: &str) -> Tokens {
    let variant = &method.variant;
    let found = method.arguments.iter().find(|argument| {
        let declared = match &argument.declared {
            Type::Reference(reference) => reference.elem.as_ref(),
            other => other,
        };
        is_named(declared, type_name)
    });
    match found {
        Some(Argument { name, .. }) => {
            quote!(Self::#variant { #name, .. } => ::std::option::Option::Some(#name))
        }
        None => quote!(Self::#variant { .. } => ::std::option::Option::None),
    }
}

fn is_named(declared: &Type, name: &str) -> bool {
    matches!(declared, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

fn port_impl(name: &LitStr, item: &ItemTrait, methods: &[Method]) -> Tokens {
    let port = &item.ident;
    let (call, answer) = (call_name(item), answer_name(item));
    let names = methods.iter().map(|m| m.name.to_string());
    let arms = methods.iter().map(|method| {
        let (name, variant) = (&method.name, &method.variant);
        let fields = method.arguments.iter().map(|a| &a.name);
        let handed = method.arguments.iter().map(|a| &a.hand_on);
        quote! {
            #call::#variant { #(#fields),* } => self.#name(#(#handed),*).await.map(#answer::#variant)
        }
    });
    let through = methods.iter().map(|method| {
        let (name, variant, output) = (&method.name, &method.variant, &method.answer);
        let fields: Vec<&Ident> = method.arguments.iter().map(|a| &a.name).collect();
        let declared = method.arguments.iter().map(|a| &a.declared);
        let keeps = method.arguments.iter().map(|a| &a.keep);
        quote! {
            async fn #name(&self, #(#fields: #declared),*) -> ::portproof_ports::PortResult<#output> {
                match self.handle(#call::#variant { #(#fields: #keeps),* }).await? {
                    #answer::#variant(answer) => Ok(answer),
                    _ => Err(::portproof_ports::PortError::mismatched_answer()),
                }
            }
        }
    });
    quote! {
        impl ::portproof_ports::Port for dyn #port {
            const NAME: &'static str = #name;
            const METHODS: &'static [&'static str] = &[#(#names),*];
            type Call = #call;

            fn call<'a>(
                &'a self,
                call: #call,
            ) -> ::portproof_ports::PortFuture<'a, #answer> {
                Box::pin(async move { match call { #(#arms),* } })
            }

            fn via(
                handler: ::std::sync::Arc<dyn ::portproof_ports::Handler<#call>>,
            ) -> ::std::sync::Arc<Self> {
                ::std::sync::Arc::new(::portproof_ports::Via::new(handler))
            }
        }

        #[::portproof_ports::async_trait]
        impl #port for ::portproof_ports::Via<#call> {
            #(#through)*
        }
    }
}

fn forwarding(item: &ItemTrait, methods: &[Method]) -> Tokens {
    let port = &item.ident;
    // What `#[async_trait]` makes of the method, written out: the inner future is handed on, where an
    // `async fn` would box it once more, and cost the compiler a state machine a method.
    let bodies: Vec<Tokens> = methods
        .iter()
        .map(|method| {
            let (name, output) = (&method.name, &method.answer);
            let names: Vec<&Ident> = method.arguments.iter().map(|a| &a.name).collect();
            let mut lifetimes = vec![Lifetime::new("'life0", Span::call_site())];
            let declared: Vec<Type> = method
                .arguments
                .iter()
                .map(|argument| {
                    let mut declared = argument.declared.clone();
                    if let Type::Reference(reference) = &mut declared {
                        let lifetime =
                            Lifetime::new(&format!("'life{}", lifetimes.len()), Span::call_site());
                        reference.lifetime = Some(lifetime.clone());
                        lifetimes.push(lifetime);
                    }
                    declared
                })
                .collect();
            quote! {
                fn #name<#(#lifetimes,)* 'async_trait>(
                    &'life0 self,
                    #(#names: #declared),*
                ) -> ::portproof_ports::PortFuture<'async_trait, #output>
                where
                    #(#lifetimes: 'async_trait,)*
                    Self: 'async_trait,
                {
                    (**self).#name(#(#names),*)
                }
            }
        })
        .collect();
    quote! {
        impl<T: #port + ?Sized> #port for &T { #(#bodies)* }
        impl<T: #port + ?Sized> #port for ::std::boxed::Box<T> { #(#bodies)* }
        impl<T: #port + ?Sized> #port for ::std::sync::Arc<T> { #(#bodies)* }
    }
}
